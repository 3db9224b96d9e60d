/* Start-up of a Cortex-M on a board that qemu emulates; the C library reads and writes by semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern char stack_top[];
extern void initialise_monitor_handles(void);
extern int main(void);
void _init(void);
void _fini(void);
void start(void);

void _init(void) {}
void _fini(void) {}

static void fault(void) { _Exit(70); }

/* Floating point and vectors are coprocessors 10 and 11, which are off after a reset. qemu has loaded all of memory. */
void start(void) {
    *(volatile uint32_t *)(uintptr_t)0xe000ed88u |= 0xfu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
    initialise_monitor_handles();
    exit(main());
}

__attribute__((section(".vectors"), used)) static const struct {
    char *stack;
    void (*handlers[15])(void);
} vectors = {stack_top, {start, fault, fault, fault, fault, fault}};
