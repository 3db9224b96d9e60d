/* exp, square root and maximum: the same bits on every machine.
 *
 * exp(x) is 2^n exp(r), where n is the nearest integer to x / log(2); exp(r) is a polynomial (S. Moshier, Cephes,
 * expf) with a relative error below 2e-7. Each product and sum is rounded, without fused operations. 2^n is
 * applied in two halves, so that results reach from the smallest number to infinity. A sum with 1.5 * 2^23 rounds to an
 * integer, half to even, and has it in its lowest bits.
 */
#ifndef EDGERNN_CURVES_F32_H
#define EDGERNN_CURVES_F32_H

#include <math.h>

#include "lanes.h"

/* f32_power: 2^n of t = 12582912 + n. f32_maximum: NaN when a or b is NaN. */
#if defined(EDGERNN_AVX512)

EDGERNN_FN f32x16 f32_power(f32x16 t) {
    const __m512i n = _mm512_maskz_slli_epi32(0xffff, _mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(n, _mm512_set1_epi32(127 << 23)));
}
EDGERNN_FN f32x16 f32_sqrt(f32x16 a) { return _mm512_maskz_sqrt_ps(0xffff, a); }
EDGERNN_FN f32x16 f32_maximum(f32x16 a, f32x16 b) {
    return _mm512_mask_mov_ps(f32_max(a, b), _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}

#elif defined(EDGERNN_AVX2)

EDGERNN_FN __m256 eight_power(__m256 t) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_set1_epi32(127 << 23)));
}
EDGERNN_FN __m256 eight_maximum(__m256 a, __m256 b) {
    return _mm256_blendv_ps(_mm256_max_ps(a, b), a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
EDGERNN_FN f32x16 f32_power(f32x16 t) {
    f32x16 y;
    y.lo = eight_power(t.lo);
    y.hi = eight_power(t.hi);
    return y;
}
EDGERNN_FN f32x16 f32_sqrt(f32x16 a) {
    f32x16 y;
    y.lo = _mm256_sqrt_ps(a.lo);
    y.hi = _mm256_sqrt_ps(a.hi);
    return y;
}
EDGERNN_FN f32x16 f32_maximum(f32x16 a, f32x16 b) {
    f32x16 y;
    y.lo = eight_maximum(a.lo, b.lo);
    y.hi = eight_maximum(a.hi, b.hi);
    return y;
}

#elif defined(EDGERNN_NEON)

EDGERNN_FN f32x16 f32_power(f32x16 t) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) {
        const int32x4_t n = vshlq_n_s32(vreinterpretq_s32_f32(t.val[i]), 23);
        y.val[i] = vreinterpretq_f32_s32(vaddq_s32(n, vdupq_n_s32(127 << 23)));
    }
    return y;
}
EDGERNN_FN float32x4_t four_sqrt(float32x4_t a) {
#if defined(__aarch64__)
    return vsqrtq_f32(a);
#else /* 32-bit NEON has no square root of vectors */
    float x[4];
    vst1q_f32(x, a);
    for (int i = 0; i < 4; ++i) x[i] = sqrtf(x[i]);
    return vld1q_f32(x);
#endif
}
EDGERNN_FN f32x16 f32_sqrt(f32x16 a) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = four_sqrt(a.val[i]);
    return y;
}
EDGERNN_FN f32x16 f32_maximum(f32x16 a, f32x16 b) { return f32_max(a, b); }

#else

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

EDGERNN_FN float one_power(float t) {
    uint32_t n;
    memcpy(&n, &t, sizeof n);
    n = (n << 23) + (127u << 23);
    memcpy(&t, &n, sizeof t);
    return t;
}
EDGERNN_FN f32x16 f32_power(f32x16 t) {
    uint32_t n[EDGERNN_LANES];
    memcpy(n, t.at, sizeof n);
    for (int i = 0; i < EDGERNN_LANES; ++i) n[i] = (n[i] << 23) + (127u << 23);
    memcpy(t.at, n, sizeof n);
    return t;
}
EDGERNN_FN f32x16 f32_sqrt(f32x16 a) {
#if defined(__SSE2__) /* sqrtf sets errno, which keeps compilers from a vector of it */
    for (int i = 0; i < EDGERNN_LANES; i += 4) _mm_storeu_ps(a.at + i, _mm_sqrt_ps(_mm_loadu_ps(a.at + i)));
#else
    for (int i = 0; i < EDGERNN_LANES; ++i) a.at[i] = sqrtf(a.at[i]);
#endif
    return a;
}
EDGERNN_FN f32x16 f32_maximum(f32x16 a, f32x16 b) {
    for (int i = 0; i < EDGERNN_LANES; ++i) a.at[i] = a.at[i] > b.at[i] || a.at[i] != a.at[i] ? a.at[i] : b.at[i];
    return a;
}

#endif

/* lanes f_term and f_exp. f_term is a * x + b, rounded twice. In the order of the bounds, NaN stays NaN. */
#define EDGERNN_EXP(lanes, f)                                                                                          \
    EDGERNN_FN lanes f##_term(lanes a, lanes x, float b) { return f##_add(f##_mul(a, x), f##_all(b)); }                \
    EDGERNN_FN lanes f##_exp(lanes x) {                                                                                \
        const lanes room = f##_all(12582912.0f);                                                                       \
        const lanes a = f##_max(f##_all(-104.0f), f##_min(f##_all(89.0f), x));                                         \
        const lanes n = f##_sub(f##_add(f##_mul(a, f##_all(1.44269504f)), room), room);                                \
        const lanes near = f##_sub(a, f##_mul(n, f##_all(0.693359375f)));                                              \
        const lanes r = f##_sub(near, f##_mul(n, f##_all(-2.12194440e-4f)));                                           \
        const lanes half = f##_add(f##_mul(n, f##_all(0.5f)), room);                                                   \
        const lanes rest = f##_add(f##_sub(n, f##_sub(half, room)), room);                                             \
        lanes p = f##_all(1.9875691500e-4f);                                                                           \
        p = f##_term(p, r, 1.3981999507e-3f);                                                                          \
        p = f##_term(p, r, 8.3334519073e-3f);                                                                          \
        p = f##_term(p, r, 4.1665795894e-2f);                                                                          \
        p = f##_term(p, r, 1.6666665459e-1f);                                                                          \
        p = f##_term(p, r, 5.0000001201e-1f);                                                                          \
        p = f##_add(f##_add(f##_mul(f##_mul(p, r), r), r), f##_all(1));                                                \
        return f##_mul(f##_mul(p, f##_power(half)), f##_power(rest));                                                  \
    }
#if defined(EDGERNN_BY_ROWS)
EDGERNN_EXP(float, one)
EDGERNN_LANE_BY_LANE(exp)
#else
EDGERNN_EXP(f32x16, f32)
#endif
#undef EDGERNN_EXP

#endif
