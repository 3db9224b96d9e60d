/* Quantizes a number: the integer q stands for (q - zero) * scale. */
#ifndef EDGERNN_NEAREST_H
#define EDGERNN_NEAREST_H

#include <stdint.h>

/* The nearest integer, half to even in any rounding mode, saturated at low and high; `zero` for NaN. */
static inline int32_t nearest(float x, double scale, int zero, int32_t low, int32_t high) {
    const double far = x / scale;
    if (far != far) return zero;
    if (far >= high - zero) return high;
    if (far <= low - zero) return low;
#if defined(__wasm__)
    return (int32_t)__builtin_rint(far) + zero; /* an instruction, which has this mode alone */
#else
    int32_t q = (int32_t)far; /* rounds towards zero */
    const double rest = far - q;
    if (rest > 0.5 || (rest >= 0.5 && q % 2)) ++q;
    if (rest < -0.5 || (rest <= -0.5 && q % 2)) --q;
    return q + zero;
#endif
}

#endif
