/* Sixteen lanes of float32: one vector type for every instruction set. */
#ifndef EDGERNN_LANES_H
#define EDGERNN_LANES_H

#include "blocks.h"

/* A float16 weight, which is always finite, from its bits: sign, 5 bits of exponent, 10 of fraction. */
EDGERNN_FN float f32_of_half(uint16_t p) {
    const uint32_t exponent = (p >> 10) & 31u, fraction = p & 1023u;
    const uint32_t bits = (exponent + 112u) << 23 | fraction << 13;
    float size;
    memcpy(&size, &bits, sizeof size);
    if (!exponent) size = (float)fraction / 16777216.0f;
    return p & 0x8000u ? -size : size;
}

#if defined(EDGERNN_AVX512)

typedef __m512 f32x16;

EDGERNN_FN f32x16 f32_load(const float *p) { return _mm512_loadu_ps(p); }
EDGERNN_FN void f32_store(float *p, f32x16 a) { _mm512_storeu_ps(p, a); }
EDGERNN_FN f32x16 f32_all(float a) { return _mm512_set1_ps(a); }
EDGERNN_FN f32x16 f32_add(f32x16 a, f32x16 b) { return _mm512_add_ps(a, b); }
EDGERNN_FN f32x16 f32_sub(f32x16 a, f32x16 b) { return _mm512_sub_ps(a, b); }
EDGERNN_FN f32x16 f32_mul(f32x16 a, f32x16 b) { return _mm512_mul_ps(a, b); }
EDGERNN_FN f32x16 f32_div(f32x16 a, f32x16 b) { return _mm512_div_ps(a, b); }
/* with a mask of all lanes: the headers of gcc 12 warn about the unmasked forms in C++ */
EDGERNN_FN f32x16 f32_min(f32x16 a, f32x16 b) { return _mm512_maskz_min_ps(0xffff, a, b); }
EDGERNN_FN f32x16 f32_max(f32x16 a, f32x16 b) { return _mm512_maskz_max_ps(0xffff, a, b); }
EDGERNN_FN f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) { return _mm512_fmadd_ps(a, b, c); }
EDGERNN_FN f32x16 f32_of_i32(const int32_t *p) { return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_loadu_si512((const void *)p)); }
EDGERNN_FN f32x16 f32_of_i8(const int8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, bytes));
}
EDGERNN_FN f32x16 f32_of_f16(const uint16_t *p) {
    return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i *)(const void *)p));
}

#elif defined(EDGERNN_AVX2)

typedef struct {
    __m256 lo, hi;
} f32x16;

#define EDGERNN_TWICE(name, call)                                                                                      \
    EDGERNN_FN f32x16 name(f32x16 a, f32x16 b) {                                                                    \
        f32x16 y;                                                                                                      \
        y.lo = call(a.lo, b.lo);                                                                                       \
        y.hi = call(a.hi, b.hi);                                                                                       \
        return y;                                                                                                      \
    }
EDGERNN_TWICE(f32_add, _mm256_add_ps)
EDGERNN_TWICE(f32_sub, _mm256_sub_ps)
EDGERNN_TWICE(f32_mul, _mm256_mul_ps)
EDGERNN_TWICE(f32_div, _mm256_div_ps)
EDGERNN_TWICE(f32_min, _mm256_min_ps)
EDGERNN_TWICE(f32_max, _mm256_max_ps)
#undef EDGERNN_TWICE

EDGERNN_FN f32x16 f32_load(const float *p) {
    f32x16 y;
    y.lo = _mm256_loadu_ps(p);
    y.hi = _mm256_loadu_ps(p + 8);
    return y;
}
EDGERNN_FN void f32_store(float *p, f32x16 a) {
    _mm256_storeu_ps(p, a.lo);
    _mm256_storeu_ps(p + 8, a.hi);
}
EDGERNN_FN f32x16 f32_all(float a) {
    f32x16 y;
    y.lo = y.hi = _mm256_set1_ps(a);
    return y;
}
EDGERNN_FN f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    f32x16 y;
    y.lo = _mm256_fmadd_ps(a.lo, b.lo, c.lo);
    y.hi = _mm256_fmadd_ps(a.hi, b.hi, c.hi);
    return y;
}
EDGERNN_FN f32x16 f32_of_i32(const int32_t *p) {
    f32x16 y;
    y.lo = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
    y.hi = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p + 8)));
    return y;
}
EDGERNN_FN f32x16 f32_of_i8(const int8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    f32x16 y;
    y.lo = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    y.hi = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
    return y;
}
EDGERNN_FN f32x16 f32_of_f16(const uint16_t *p) {
    f32x16 y;
    y.lo = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
    y.hi = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)));
    return y;
}

#elif defined(EDGERNN_NEON)

typedef float32x4x4_t f32x16;

#define EDGERNN_FOUR(name, call)                                                                                       \
    EDGERNN_FN f32x16 name(f32x16 a, f32x16 b) {                                                                    \
        f32x16 y;                                                                                                      \
        for (int i = 0; i < 4; ++i) y.val[i] = call(a.val[i], b.val[i]);                                               \
        return y;                                                                                                      \
    }
#if defined(__aarch64__)
EDGERNN_FN float32x4_t four_div(float32x4_t a, float32x4_t b) { return vdivq_f32(a, b); }
EDGERNN_FN int32x4_t four_round(float32x4_t a) { return vcvtnq_s32_f32(a); }
EDGERNN_FN float four_most(float32x4_t a) { return vmaxvq_f32(a); }
#else /* 32-bit NEON has no division or rounding of vectors: a sum that holds no fraction rounds (|a| < 2^22) */
EDGERNN_FN float32x4_t four_div(float32x4_t a, float32x4_t b) {
    float x[4], y[4];
    vst1q_f32(x, a), vst1q_f32(y, b);
    for (int i = 0; i < 4; ++i) x[i] /= y[i];
    return vld1q_f32(x);
}
EDGERNN_FN int32x4_t four_round(float32x4_t a) {
    const float32x4_t room = vdupq_n_f32(12582912.0f);
    return vsubq_s32(vreinterpretq_s32_f32(vaddq_f32(a, room)), vreinterpretq_s32_f32(room));
}
EDGERNN_FN float four_most(float32x4_t a) {
    const float32x2_t two = vpmax_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(vpmax_f32(two, two), 0);
}
#endif

EDGERNN_FOUR(f32_add, vaddq_f32)
EDGERNN_FOUR(f32_sub, vsubq_f32)
EDGERNN_FOUR(f32_mul, vmulq_f32)
EDGERNN_FOUR(f32_div, four_div)
EDGERNN_FOUR(f32_min, vminq_f32)
EDGERNN_FOUR(f32_max, vmaxq_f32)
#undef EDGERNN_FOUR

EDGERNN_FN f32x16 f32_load(const float *p) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = vld1q_f32(p + 4 * i);
    return y;
}
EDGERNN_FN void f32_store(float *p, f32x16 a) {
    for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.val[i]);
}
EDGERNN_FN f32x16 f32_all(float a) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = vdupq_n_f32(a);
    return y;
}
EDGERNN_FN f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = vfmaq_f32(c.val[i], a.val[i], b.val[i]);
    return y;
}
EDGERNN_FN f32x16 f32_of_i32(const int32_t *p) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = vcvtq_f32_s32(vld1q_s32(p + 4 * i));
    return y;
}
EDGERNN_FN f32x16 f32_of_i8(const int8_t *p) {
    f32x16 y;
    for (int i = 0; i < 2; ++i) {
        const int16x8_t eight = vmovl_s8(vld1_s8(p + 8 * i));
        y.val[2 * i] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(eight)));
        y.val[2 * i + 1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(eight)));
    }
    return y;
}
#if defined(__aarch64__) || defined(__clang__) || defined(__ARM_FP16_FORMAT_IEEE)
EDGERNN_FN f32x16 f32_of_f16(const uint16_t *p) {
    f32x16 y;
    for (int i = 0; i < 4; ++i) y.val[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
    return y;
}
#else /* gcc for 32 bits has these functions with -mfp16-format=ieee alone */
EDGERNN_FN f32x16 f32_of_f16(const uint16_t *p) {
    float y[EDGERNN_LANES];
    for (int i = 0; i < EDGERNN_LANES; ++i) y[i] = f32_of_half(p[i]);
    return f32_load(y);
}
#endif

#else

typedef struct {
    float at[EDGERNN_LANES];
} f32x16;

/* one_add and f32_add, and so on: of one lane, and of all. */
#define EDGERNN_EACH(name, expression)                                                                                 \
    EDGERNN_FN float one_##name(float a, float b) { return expression; }                                               \
    EDGERNN_FN f32x16 f32_##name(f32x16 a, f32x16 b) {                                                                 \
        f32x16 y;                                                                                                      \
        for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = one_##name(a.at[i], b.at[i]);                                \
        return y;                                                                                                      \
    }
EDGERNN_EACH(add, a + b)
EDGERNN_EACH(sub, a - b)
EDGERNN_EACH(mul, a * b)
EDGERNN_EACH(div, a / b)
EDGERNN_EACH(min, a < b ? a : b) /* returns NaN when b is NaN, as on x86 */
EDGERNN_EACH(max, a > b ? a : b)
#undef EDGERNN_EACH

EDGERNN_FN f32x16 f32_load(const float *p) {
    f32x16 y;
    memcpy(y.at, p, sizeof y.at);
    return y;
}
EDGERNN_FN void f32_store(float *p, f32x16 a) { memcpy(p, a.at, sizeof a.at); }
EDGERNN_FN float one_all(float a) { return a; }
EDGERNN_FN f32x16 f32_all(float a) {
    f32x16 y;
    for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = a;
    return y;
}
EDGERNN_FN f32x16 f32_fma(f32x16 a, f32x16 b, f32x16 c) {
    f32x16 y;
    for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = a.at[i] * b.at[i] + c.at[i];
    return y;
}
EDGERNN_FN f32x16 f32_of_i32(const int32_t *p) {
    f32x16 y;
    for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = (float)p[i];
    return y;
}
EDGERNN_FN f32x16 f32_of_i8(const int8_t *p) {
    f32x16 y;
    for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = (float)p[i];
    return y;
}
EDGERNN_FN f32x16 f32_of_f16(const uint16_t *p) {
    f32x16 y;
    for (int i = 0; i < EDGERNN_LANES; ++i) y.at[i] = f32_of_half(p[i]);
    return y;
}

#endif

/* A function of all lanes by that of one, where there are no registers for the values between of sixteen lanes. */
#if defined(EDGERNN_BY_ROWS)
#define EDGERNN_LANE_BY_LANE(name)                                                                                     \
    EDGERNN_FN f32x16 f32_##name(f32x16 x) {                                                                           \
        for (int i = 0; i < EDGERNN_LANES; ++i) x.at[i] = one_##name(x.at[i]);                                         \
        return x;                                                                                                      \
    }
#endif

#endif
