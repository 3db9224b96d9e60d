/* tanh and sigmoid: absolute error below 1e-6.
 *
 * tanh is the ratio of an odd and an even polynomial in x, of degrees 13 and 6, between -7.9 and 7.9, beyond which it is
 * 1 in float32; the coefficients are those of the minimax fit that is in common use (as in Eigen). The sigmoid is
 * (1 + tanh(x / 2)) / 2.
 */
#ifndef EDGERNN_SQUASH_F32_H
#define EDGERNN_SQUASH_F32_H

#include "lanes.h"

EDGERNN_FN f32x16 tanh_f32x16(f32x16 x) {
    const f32x16 end = f32_all(7.90531110763549805f);
    const f32x16 a = f32_max(f32_min(x, end), f32_sub(f32_all(0), end));
    const f32x16 s = f32_mul(a, a);
    f32x16 p = f32_all(-2.76076847742355e-16f), q = f32_all(1.19825839466702e-06f);
    p = f32_fma(p, s, f32_all(2.00018790482477e-13f));
    p = f32_fma(p, s, f32_all(-8.60467152213735e-11f));
    p = f32_fma(p, s, f32_all(5.12229709037114e-08f));
    p = f32_fma(p, s, f32_all(1.48572235717979e-05f));
    p = f32_fma(p, s, f32_all(6.37261928875436e-04f));
    p = f32_fma(p, s, f32_all(4.89352455891786e-03f));
    q = f32_fma(q, s, f32_all(1.18534705686654e-04f));
    q = f32_fma(q, s, f32_all(2.26843463243900e-03f));
    q = f32_fma(q, s, f32_all(4.89352518554385e-03f));
    return f32_div(f32_mul(a, p), q);
}

EDGERNN_FN void tanh_f32(float *y, const float *x, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16) f32_store(y + i, tanh_f32x16(f32_load(x + i)));
}

EDGERNN_FN void sigmoid_f32(float *y, const float *x, size_t blocks) {
    const f32x16 half = f32_all(0.5f);
    for (size_t i = 0; i < 16 * blocks; i += 16)
        f32_store(y + i, f32_fma(tanh_f32x16(f32_mul(f32_load(x + i), half)), half, half));
}

#endif
