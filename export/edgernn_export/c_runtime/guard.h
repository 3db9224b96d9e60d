/* The check of a frame before it enters the state, and flushing of denormal numbers, which are slow. */
#ifndef EDGERNN_GUARD_H
#define EDGERNN_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "blocks.h"

/* Whether every element is finite and its magnitude at most `most`. Without the sign, bits compare like numbers. */
EDGERNN_FN int all_within(const float *x, float most, size_t n) {
    int32_t end;
    uint32_t bad = 0;
    memcpy(&end, &most, sizeof end);
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (int32_t)(bits & 0x7fffffffu) > end;
    }
    return !bad;
}

/* Denormal numbers are flushed to zero inside a step; the caller's mode is restored after it. */
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(__SSE2__)
#include <xmmintrin.h>
typedef unsigned int float_mode;
EDGERNN_FN float_mode flush_on(void) {
    const float_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u);
    return before;
}
EDGERNN_FN void flush_restore(float_mode before) { _mm_setcsr(before); }
#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t float_mode;
EDGERNN_FN float_mode flush_on(void) {
    float_mode before;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before | (UINT64_C(1) << 24)));
    return before;
}
EDGERNN_FN void flush_restore(float_mode before) { __asm__ __volatile__("msr fpcr, %0" : : "r"(before)); }
#else
typedef int float_mode;
EDGERNN_FN float_mode flush_on(void) { return 0; }
EDGERNN_FN void flush_restore(float_mode before) { (void)before; }
#endif

#endif
