/* Leaves a number on the stack, and in every vector register where there is AVX-512, as any code may. */
#include <stdint.h>

__attribute__((noinline)) void leave(uint32_t number) {
    volatile uint32_t stack[1 << 16];
    for (int i = 0; i < 1 << 16; ++i) stack[i] = number;
#ifdef __AVX512F__
#define IN(k) __asm__ volatile("vpbroadcastd %0, %%zmm" #k : : "r"(number) : "xmm" #k);
#define IN_FOUR(a, b, c, d) IN(a) IN(b) IN(c) IN(d)
    IN_FOUR(0, 1, 2, 3)
    IN_FOUR(4, 5, 6, 7)
    IN_FOUR(8, 9, 10, 11)
    IN_FOUR(12, 13, 14, 15)
    IN_FOUR(16, 17, 18, 19)
    IN_FOUR(20, 21, 22, 23)
    IN_FOUR(24, 25, 26, 27)
    IN_FOUR(28, 29, 30, 31)
#endif
}
