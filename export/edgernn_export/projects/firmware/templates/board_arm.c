/* Start-up code, semihosting and the SysTick timer of $name, a machine of qemu with a $core. */
#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CPACR REGISTER(0xE000ED88u)
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define LAST 0xFFFFFFu /* of the 24 bits of the timer */
#define CLOCK_KHZ ${clock_khz}u
#define ICOUNT $icount /* as in the Makefile: an instruction takes 2**ICOUNT ns of the emulated clock */

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20 };

extern uint32_t data_from[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];

static volatile uint32_t wraps;

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_text(const char *text) { semihost(SYS_WRITE0, text); }

void board_exit(int code) {
    const uint32_t block[2] = {0x20026u, (uint32_t)code}; /* ADP_Stopped_ApplicationExit */
    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

static void fault(void) {
    board_text("fault: the processor met an instruction or an address that it does not have\n");
    board_exit(3);
}

static void wrap(void) { ++wraps; }

__attribute__((noinline)) static void begin(void) {
    const uint32_t *from = data_from;
    for (uint32_t *to = data_begin; to != data_end; ++to) *to = *from++;
    for (volatile uint32_t *to = bss_begin; to != bss_end; ++to) *to = 0;
    board_exit(main());
}

void start(void) {
#ifdef __ARM_FP
    CPACR |= 0xFu << 20; /* the floating-point unit, and with it the vectors of a Cortex-M55 */
    __asm__ volatile("dsb\nisb" ::: "memory");
#endif
    begin();
}

#define VECTOR __attribute__((section(".vectors"), used)) static void (*const
VECTOR vectors[16])(void) = {(void (*)(void))stack_top, start, fault, fault, fault, fault, fault, fault,
                             fault, fault, fault, fault, fault, fault, fault, wrap};

void board_start(void) {
    SYST_RVR = LAST;
    SYST_CVR = 0;
    SYST_CSR = 7; /* the clock of the processor, with an interrupt when it wraps */
}

uint32_t board_count(void) {
    uint32_t high, low;
    do {
        high = wraps;
        low = SYST_CVR;
    } while (high != wraps);
    return (high << 24) + (LAST - low);
}

uint32_t board_between(uint32_t before, uint32_t after) {
    const uint32_t divisor = CLOCK_KHZ << ICOUNT;
    return (uint32_t)(((uint64_t)(after - before) * 1000000u + divisor / 2) / divisor);
}

void board_loop(uint32_t rounds) {
    __asm__ volatile(".syntax unified\n1: subs %0, #1\nbne 1b" : "+l"(rounds) : : "cc");
}
