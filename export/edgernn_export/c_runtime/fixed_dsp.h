/* Fixed point with the DSP extension of a Cortex-M: the functions of fixed.h that rescale. A q64 is saturated at 32 bits. */
#ifndef EDGERNN_FIXED_DSP_H
#define EDGERNN_FIXED_DSP_H

#include "blocks.h"

#if defined(EDGERNN_DSP)

typedef int32_t q64;

/* By the instruction: the intrinsic of gcc warns of a conversion. */
#define EDGERNN_TO(name, bits)                                                                                         \
    EDGERNN_FN int32_t name(q64 a, int zero) {                                                                         \
        int32_t y;                                                                                                     \
        __asm__("ssat %0, #" #bits ", %1" : "=r"(y) : "r"(__qadd(a, zero)));                                           \
        return y;                                                                                                      \
    }
EDGERNN_TO(to_i8, 8)
EDGERNN_TO(to_i16, 16)
#undef EDGERNN_TO
EDGERNN_FN q64 q_halve(int64_t a, int shift) {
    if (shift > 32) { /* the last 32 bits do not count; a is below 2^62 */
        const int32_t high = (int32_t)(a >> 32);
        return (high + (1 << (shift - 33))) >> (shift - 32);
    }
    a = (a + ((int64_t)1 << (shift - 1))) >> shift;
    return a < INT32_MIN ? INT32_MIN : a > INT32_MAX ? INT32_MAX : (int32_t)a;
}
EDGERNN_FN q64 rescale(int32_t a, int32_t mantissa, int shift) { return q_halve((int64_t)a * mantissa, shift); }
/* Numbers of 16 bits and factors of at most 2^30: a shift of 16 leaves 32 bits. */
EDGERNN_FN q64 rescale_sum(int32_t a, int32_t by_a, int32_t b, int32_t by_b, int shift) {
    const int64_t sum = (int64_t)a * by_a + (int64_t)b * by_b;
    if (shift > 15) return (int32_t)((sum + ((int64_t)1 << (shift - 1))) >> shift);
    return q_halve(sum, shift);
}
EDGERNN_FN q64 rescale_plus(int32_t a, const int32_t *by, const int64_t *plus, int shift) {
    return q_halve((int64_t)a * *by + *plus, shift);
}

#endif

#endif
