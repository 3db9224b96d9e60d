/* tanh and sigmoid: absolute error below 1e-6, and the same bits on every machine.
 *
 * tanh is x P(x^2) / Q(x^2) with P and Q of degrees 3 and 4: the minimax ratio from -7.9 to 7.9 (largest absolute error
 * 1.1e-7 in exact arithmetic, 4.2e-7 in float32). For larger |x| tanh is within 3e-7 of 1 or -1. The sigmoid is
 * (1 + tanh(x / 2)) / 2. Each product and sum is rounded, without fused operations, so that quantizing the result gives
 * the same integers everywhere. The polynomials are evaluated in pairs, which has a shorter chain than Horner's scheme.
 */
#ifndef EDGERNN_SQUASH_F32_H
#define EDGERNN_SQUASH_F32_H

#include "lanes.h"

/* lanes f_line, f_tanh and f_sigmoid. f_line is a + b * x, rounded twice. In the order of the bounds, NaN stays NaN. */
#define EDGERNN_SQUASH(lanes, f)                                                                                       \
    EDGERNN_FN lanes f##_line(float a, float b, lanes x) { return f##_add(f##_all(a), f##_mul(f##_all(b), x)); }       \
    EDGERNN_FN lanes f##_tanh(lanes x) {                                                                               \
        const float end = 7.9f;                                                                                        \
        const lanes a = f##_max(f##_all(-end), f##_min(f##_all(end), x));                                              \
        const lanes s = f##_mul(a, a), s2 = f##_mul(s, s);                                                             \
        const lanes p_high = f##_line(0.00294404267f, 1.13712413e-05f, s);                                             \
        const lanes q_last = f##_mul(f##_all(2.44420306e-07f), s2);                                                    \
        const lanes q_high = f##_add(f##_line(0.0237845592f, 0.000237793662f, s), q_last);                             \
        const lanes p = f##_add(f##_line(0.999999225f, 0.129182786f, s), f##_mul(s2, p_high));                         \
        const lanes q = f##_add(f##_line(1.0f, 0.462513536f, s), f##_mul(s2, q_high));                                 \
        return f##_div(f##_mul(a, p), q);                                                                              \
    }                                                                                                                  \
    EDGERNN_FN lanes f##_sigmoid(lanes x) {                                                                            \
        return f##_line(0.5f, 0.5f, f##_tanh(f##_mul(x, f##_all(0.5f))));                                              \
    }

#if defined(EDGERNN_BY_ROWS)
EDGERNN_SQUASH(float, one)
EDGERNN_LANE_BY_LANE(tanh)
EDGERNN_LANE_BY_LANE(sigmoid)
#else
EDGERNN_SQUASH(f32x16, f32)
#endif
#undef EDGERNN_SQUASH

#endif
