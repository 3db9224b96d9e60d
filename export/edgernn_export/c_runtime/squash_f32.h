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

/* a + b * x, rounded twice */
EDGERNN_FN f32x16 f32_line(float a, float b, f32x16 x) { return f32_add(f32_all(a), f32_mul(f32_all(b), x)); }

EDGERNN_FN f32x16 f32_tanh(f32x16 x) {
    const float end = 7.9f;
    const f32x16 a = f32_max(f32_all(-end), f32_min(f32_all(end), x)); /* in this order, NaN stays NaN */
    const f32x16 s = f32_mul(a, a), s2 = f32_mul(s, s);
    const f32x16 p_high = f32_line(0.00294404267f, 1.13712413e-05f, s);
    const f32x16 q_high = f32_add(f32_line(0.0237845592f, 0.000237793662f, s), f32_mul(f32_all(2.44420306e-07f), s2));
    const f32x16 p = f32_add(f32_line(0.999999225f, 0.129182786f, s), f32_mul(s2, p_high));
    const f32x16 q = f32_add(f32_line(1.0f, 0.462513536f, s), f32_mul(s2, q_high));
    return f32_div(f32_mul(a, p), q);
}

EDGERNN_FN f32x16 f32_sigmoid(f32x16 x) {
    return f32_line(0.5f, 0.5f, f32_tanh(f32_mul(x, f32_all(0.5f))));
}

#endif
