/* Start-up code, semihosting and the count of instructions of $name, a machine of qemu with a $core. */
#include "board.h"

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20 };

extern uint32_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[];

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\n.option norvc\n.balign 16\n" /* the three may not lie on two pages */
                     "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
}

void board_text(const char *text) { semihost(SYS_WRITE0, text); }

void board_exit(int code) {
    const uint32_t block[2] = {0x20026u, (uint32_t)code}; /* ADP_Stopped_ApplicationExit */
    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

__attribute__((used, aligned(4))) static void fault(void) {
    board_text("fault: the processor met an instruction or an address that it does not have\n");
    board_exit(3);
}

__attribute__((used)) static void begin(void) {
    const uint32_t *from = data_from;
    for (uint32_t *to = data_begin; to != data_end; ++to) *to = *from++;
    for (volatile uint32_t *to = bss_begin; to != bss_end; ++to) *to = 0;
    board_exit(main());
}

__attribute__((section(".vectors"), naked, used)) void start(void) {
    __asm__ volatile("la sp, stack_top\nla t0, fault\ncsrw mtvec, t0\ntail begin");
}

void board_start(void) {}

uint32_t board_count(void) {
    uint32_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}

uint32_t board_between(uint32_t before, uint32_t after) { return after - before; }

void board_loop(uint32_t rounds) { __asm__ volatile("1: addi %0, %0, -1\nbnez %0, 1b" : "+r"(rounds)); }
