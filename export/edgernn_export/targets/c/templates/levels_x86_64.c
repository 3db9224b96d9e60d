#include <cpuid.h>

/* A bit of what CPUID returns: register 0 is eax. Some processors return bits of a part that they do not have. */
static int has_bit(unsigned leaf, unsigned part, int place, int bit) {
    unsigned r[4];
    if (part && (!__get_cpuid_count(leaf, 0, r, r + 1, r + 2, r + 3) || r[0] < part)) return 0;
    return __get_cpuid_count(leaf, part, r, r + 1, r + 2, r + 3) && r[place] >> bit & 1;
}

/* Whether the system keeps these registers for each thread: XCR0. */
static int has_registers(unsigned mask) {
    unsigned low, high;
    if (!has_bit(1, 0, 2, 27)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & mask) == mask;
}

static int has_level(int place) {
    switch (place) {
$cases    default: return 1;
    }
}
