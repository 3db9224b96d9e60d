/* gru4: one step of a recurrent network. Written by edgernn 0.2.0; do not edit.
 *
 *   gru: Gru, reads x
 *   scores: Dense, reads gru
 *
 * Precision fp32; graph 47a826a0efdbbc3cef3d11afa78a0e5f3eebfce9aa924f1c428975481cffae23.
 * Compile with -O2 or more for speed, and with -ffp-contract=off for the same bits of dynamic int8.
 */

#include "gru4.h"

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#define CALLED __attribute__((noinline))
#else
#define ALIGNED
#define CALLED
#endif

/* Blocks of sixteen rows: the memory layout of weights, and the instruction set, from the macros of the compiler.
 *
 * A block is one register of AVX-512, two of AVX2, four of NEON, or an array in portable C99; a processor without such
 * registers sums a few rows of a block at a time (EDGERNN_BY_ROWS). Four blocks are stored side by side, column after
 * column, so that memory is read in order while four sums share the loads of x. Remaining blocks are stored one after
 * another.
 *
 * A sparse matrix holds only the columns of a block that are not zeros, and their numbers in `index`. Each of four blocks
 * side by side has as many columns as the fullest one; `order` holds the numbers of the blocks. The columns of the first
 * four are those from starts[0] to starts[1], and so on.
 */
#ifndef EDGERNN_BLOCKS_H
#define EDGERNN_BLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EDGERNN_LANES 16

/* a file that includes this may leave functions unused */
#if defined(__GNUC__)
#define EDGERNN_FN static inline __attribute__((unused))
#else
#define EDGERNN_FN static inline
#endif

/* Prefetches memory: weights are read once per step, in order, often from beyond the first-level cache. The address is
 * computed as an integer, because it may be behind the last weight. */
#if defined(__GNUC__)
#define EDGERNN_AHEAD(p, bytes) __builtin_prefetch((const void *)((uintptr_t)(p) + (uintptr_t)(bytes)))
#else
#define EDGERNN_AHEAD(p, bytes) ((void)(p))
#endif

#if defined(EDGERNN_PORTABLE) || defined(EDGERNN_BY_ROWS) /* on request */
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__) && !defined(EDGERNN_VNNI_256)
#define EDGERNN_AVX512 1
#define EDGERNN_VNNI 1
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define EDGERNN_AVX2 1
#include <immintrin.h>
#if defined(EDGERNN_VNNI_256) /* on request, AVX-VNNI by the same instructions of AVX-512: a processor may have only these */
#define EDGERNN_VNNI 1
#define EDGERNN_DPBUSD _mm256_dpbusd_epi32
#define EDGERNN_DPWSSD _mm256_dpwssd_epi32
#elif defined(__AVXVNNI__)
#define EDGERNN_VNNI 1
#define EDGERNN_DPBUSD _mm256_dpbusd_avx_epi32
#define EDGERNN_DPWSSD _mm256_dpwssd_avx_epi32
#endif
#elif defined(__ARM_NEON) && defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define EDGERNN_NEON 1
#define EDGERNN_DOTPROD 1
#include <arm_neon.h>
#elif defined(__ARM_NEON) && (defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
#define EDGERNN_NEON 1
#include <arm_neon.h>
#elif defined(__SSE2__)
#define EDGERNN_SSE2 1
#include <emmintrin.h>
#elif defined(__wasm_simd128__)
#define EDGERNN_WASM 1
#include <wasm_simd128.h>
#elif defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#define EDGERNN_MVE 1
#define EDGERNN_BY_ROWS 1
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 77 && !defined(__ARM_BIG_ENDIAN)
#define EDGERNN_DSP 1 /* of a Cortex-M: 77 is 'M' */
#define EDGERNN_BY_ROWS 1
#include <arm_acle.h>
#elif !defined(__riscv_vector) && !defined(__ALTIVEC__) && !defined(__s390x__) && !defined(__loongarch_sx) && !defined(__ARM_NEON) && !defined(_M_X64) && !defined(_M_ARM64)
#define EDGERNN_BY_ROWS 1 /* no compiler has vectors for it */
#endif

/* Whether registers are enough for the sums of one group of inputs only. */
#if defined(EDGERNN_SSE2) || defined(EDGERNN_WASM)
#define EDGERNN_FEW 1
#else
#define EDGERNN_FEW 0
#endif

/* The sums of adjacent pairs: two of a, then two of b. */
#if defined(EDGERNN_NEON) && defined(__aarch64__)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
#elif defined(EDGERNN_NEON)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) {
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
#elif defined(EDGERNN_SSE2)
EDGERNN_FN __m128i four_pairs(__m128i a, __m128i b) {
    const __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);
    const __m128i even = _mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)), odd = _mm_castps_si128(_mm_shuffle_ps(x, y, 0xdd));
    return _mm_add_epi32(even, odd);
}
/* The sums of pairs of products of eight bytes and of four numbers of 16 bits, twice the same; two of each row. */
EDGERNN_FN __m128i two_rows(const int8_t *w, __m128i x) {
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)w);
    return _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8), x);
}
#elif defined(EDGERNN_WASM)
EDGERNN_FN v128_t four_pairs(v128_t a, v128_t b) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
}
EDGERNN_FN v128_t two_rows(const int8_t *w, v128_t x) { return wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w), x); }
#endif

#endif

/* Sixteen lanes of float32: one vector type for every instruction set. */
#ifndef EDGERNN_LANES_H
#define EDGERNN_LANES_H


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

/* y = W x + b in float32, a few rows of a block at a time: eight in scalars, or sixteen where a Cortex-M has vectors of
 * floats (Helium).
 *
 * W is packed as in affine_float.h. A row is summed in the order of its columns.
 */
#ifndef EDGERNN_ROWS_FLOAT_H
#define EDGERNN_ROWS_FLOAT_H


#if defined(EDGERNN_BY_ROWS)

#if defined(EDGERNN_MVE) && __ARM_FEATURE_MVE & 2 /* vectors of floats, too */

#define EDGERNN_ROWS_AT_ONCE 16
EDGERNN_FN float32x4_t rows_of_f32(const float *p) { return vldrwq_f32(p); }
EDGERNN_FN float32x4_t rows_of_f16(const uint16_t *p) { /* as f32_of_half; below 1024 there is a fraction alone */
    const uint32x4_t half = vldrhq_u32(p), size = vandq_u32(half, vdupq_n_u32(0x7fff));
    const uint32x4_t fraction = vreinterpretq_u32_f32(vmulq_n_f32(vcvtq_f32_u32(size), 1.0f / 16777216.0f));
    const uint32x4_t other = vaddq_n_u32(vshlq_n_u32(size, 13), 112u << 23);
    const uint32x4_t bits = vpselq_u32(other, fraction, vcmpcsq_n_u32(size, 1024));
    return vreinterpretq_f32_u32(vorrq_u32(bits, vshlq_n_u32(veorq_u32(half, size), 16)));
}
EDGERNN_FN float32x4_t rows_of_i8(const int8_t *p) { return vcvtq_f32_s32(vldrbq_s32(p)); }

EDGERNN_FN void rows_end(float *y, float32x4_t sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum = vmulq_f32(sum, vldrwq_f32(scale + at));
    vstrwq_f32(y + at, bias ? vaddq_f32(sum, vldrwq_f32(bias + at)) : sum);
}

#define EDGERNN_ROWS_BEGIN float32x4_t a = vdupq_n_f32(0), b = a, c = a, d = a;
#define EDGERNN_ROWS_ADD(load)                                                                                         \
    a = vfmaq_n_f32(a, load(w), one);                                                                                  \
    b = vfmaq_n_f32(b, load(w + 4), one);                                                                              \
    c = vfmaq_n_f32(c, load(w + 8), one);                                                                              \
    d = vfmaq_n_f32(d, load(w + 12), one);
#define EDGERNN_ROWS_END                                                                                               \
    rows_end(y, a, scale, bias, at);                                                                                   \
    rows_end(y, b, scale, bias, at + 4);                                                                               \
    rows_end(y, c, scale, bias, at + 8);                                                                               \
    rows_end(y, d, scale, bias, at + 12);

#else

#define EDGERNN_ROWS_AT_ONCE 8
#if defined(__FP_FAST_FMAF) /* an instruction */
EDGERNN_FN float one_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
EDGERNN_FN float one_fma(float a, float b, float c) { return a * b + c; }
#endif
EDGERNN_FN float rows_of_f32(const float *p) { return *p; }
#if defined(EDGERNN_DSP) && defined(__ARM_FP) && defined(__ARM_FEATURE_FMA) /* the type needs an option of gcc */
EDGERNN_FN float rows_of_f16(const uint16_t *p) {
    const uint32_t half = *p;
    float y;
    memcpy(&y, &half, sizeof y);
    __asm__("vcvtb.f32.f16 %0, %0" : "+t"(y));
    return y;
}
#else
EDGERNN_FN float rows_of_f16(const uint16_t *p) { return f32_of_half(*p); }
#endif
EDGERNN_FN float rows_of_i8(const int8_t *p) { return (float)*p; }

EDGERNN_FN void rows_end(float *y, float sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum *= scale[at];
    y[at] = bias ? sum + bias[at] : sum;
}

#define EDGERNN_ROWS_BEGIN float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
#define EDGERNN_ROWS_ADD(load)                                                                                         \
    a = one_fma(load(w), one, a);                                                                                      \
    b = one_fma(load(w + 1), one, b);                                                                                  \
    c = one_fma(load(w + 2), one, c);                                                                                  \
    d = one_fma(load(w + 3), one, d);                                                                                  \
    e = one_fma(load(w + 4), one, e);                                                                                  \
    f = one_fma(load(w + 5), one, f);                                                                                  \
    g = one_fma(load(w + 6), one, g);                                                                                  \
    h = one_fma(load(w + 7), one, h);
#define EDGERNN_ROWS_END                                                                                               \
    rows_end(y, a, scale, bias, at);                                                                                   \
    rows_end(y, b, scale, bias, at + 1);                                                                               \
    rows_end(y, c, scale, bias, at + 2);                                                                               \
    rows_end(y, d, scale, bias, at + 3);                                                                               \
    rows_end(y, e, scale, bias, at + 4);                                                                               \
    rows_end(y, f, scale, bias, at + 5);                                                                               \
    rows_end(y, g, scale, bias, at + 6);                                                                               \
    rows_end(y, h, scale, bias, at + 7);

#endif

/* The next column of a block is `far` numbers further. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FN void name##_block(float *y, const kind *from, const float *scale, const float *bias, const float *x,    \
                                 size_t at, size_t inputs, size_t far) {                                               \
        for (size_t part = 0; part < EDGERNN_LANES; part += EDGERNN_ROWS_AT_ONCE, at += EDGERNN_ROWS_AT_ONCE) {        \
            const kind *w = from + part;                                                                               \
            EDGERNN_ROWS_BEGIN                                                                                         \
            for (const float *p = x; p != x + inputs; ++p, w += far) {                                                 \
                const float one = *p;                                                                                  \
                EDGERNN_ROWS_ADD(load)                                                                                 \
            }                                                                                                          \
            EDGERNN_ROWS_END                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void name##_one(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        name##_block(y, w, scale, bias, x, at, inputs, 16);                                                            \
    }                                                                                                                  \
    EDGERNN_FN void name(float *y, const kind *w, const float *scale, const float *bias, const float *x,               \
                         size_t blocks, size_t inputs) {                                                               \
        size_t at = 0;                                                                                                 \
        for (size_t some; blocks; blocks -= some, w += 16 * inputs * some) {                                           \
            some = blocks < 4 ? 1 : 4;                                                                                 \
            for (size_t k = 0; k < some; ++k, at += 16)                                                                \
                name##_block(y, w + 16 * k, scale, bias, x, at, inputs, 16 * some);                                    \
        }                                                                                                              \
    }

EDGERNN_AFFINE(affine_f32, float, rows_of_f32)
EDGERNN_AFFINE(affine_f16, uint16_t, rows_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, rows_of_i8)
#undef EDGERNN_AFFINE

EDGERNN_FN void affine_f32_sparse(float *y, const float *w, const uint16_t *index, const uint32_t *starts,
                                  const uint16_t *order, const float *bias, const float *x, size_t blocks) {
    const float *const scale = NULL, *const first = w;
    const uint16_t *const all = index;
    for (size_t some; blocks; blocks -= some, ++starts) {
        some = blocks < 4 ? 1 : 4;
        for (size_t k = 0; k < some; ++k, ++order) {
            size_t at = 16 * (size_t)*order;
            for (size_t part = 0; part < EDGERNN_LANES; part += EDGERNN_ROWS_AT_ONCE, at += EDGERNN_ROWS_AT_ONCE) {
                EDGERNN_ROWS_BEGIN
                w = first + 16 * (starts[0] + k) + part, index = all + starts[0] + k;
                for (size_t left = (starts[1] - starts[0]) / some; left; --left, w += 16 * some, index += some) {
                    const float one = x[*index];
                    EDGERNN_ROWS_ADD(rows_of_f32)
                }
                EDGERNN_ROWS_END
            }
        }
    }
}
#undef EDGERNN_ROWS_AT_ONCE
#undef EDGERNN_ROWS_BEGIN
#undef EDGERNN_ROWS_ADD
#undef EDGERNN_ROWS_END

#endif

#endif

/* y = W x + b in float32, with weights of float32, float16, or int8 with a scale per row.
 *
 * W is packed in blocks of 16 rows, column after column, four blocks side by side (see blocks.h).
 */
#ifndef EDGERNN_AFFINE_FLOAT_H
#define EDGERNN_AFFINE_FLOAT_H


/* The end of an affine: multiplies with the scale of each row, if any, and adds the bias. */
EDGERNN_FN void affine_end(float *y, f32x16 sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum = f32_mul(sum, f32_load(scale + at));
    f32_store(y + at, bias ? f32_add(sum, f32_load(bias + at)) : sum);
}

/* Whether there are registers for eight sums, so that no sum waits for the one before. */
#if defined(EDGERNN_AVX512)
#define EDGERNN_MANY 1
#else
#define EDGERNN_MANY 0
#endif

#if !defined(EDGERNN_BY_ROWS)
/* With few registers, two blocks at a time have room for their sums; each row adds in the same order. */
#if EDGERNN_FEW
#define EDGERNN_FOUR(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_two(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        f32x16 a = f32_all(0), b = a;                                                                                  \
        for (size_t fours = inputs / 4; fours; --fours, w += 256, x += 4) {                                            \
            a = f32_fma(load(w), f32_all(x[0]), a);                                                                    \
            b = f32_fma(load(w + 16), f32_all(x[0]), b);                                                               \
            a = f32_fma(load(w + 64), f32_all(x[1]), a);                                                               \
            b = f32_fma(load(w + 80), f32_all(x[1]), b);                                                               \
            a = f32_fma(load(w + 128), f32_all(x[2]), a);                                                              \
            b = f32_fma(load(w + 144), f32_all(x[2]), b);                                                              \
            a = f32_fma(load(w + 192), f32_all(x[3]), a);                                                              \
            b = f32_fma(load(w + 208), f32_all(x[3]), b);                                                              \
        }                                                                                                              \
        for (size_t ones = inputs % 4; ones; --ones, w += 64, ++x) {                                                   \
            a = f32_fma(load(w), f32_all(*x), a);                                                                      \
            b = f32_fma(load(w + 16), f32_all(*x), b);                                                                 \
        }                                                                                                              \
        affine_end(y, a, scale, bias, at);                                                                             \
        affine_end(y, b, scale, bias, at + 16);                                                                        \
    }                                                                                                                  \
    EDGERNN_FN void name##_four(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs) {                                                            \
        name##_two(y, w, scale, bias, x, at, inputs);                                                                  \
        name##_two(y, w + 32, scale, bias, x, at + 32, inputs);                                                        \
    }
#else
#define EDGERNN_FOUR(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_four(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs) {                                                            \
        f32x16 a = f32_all(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                        \
        size_t ones = inputs;                                                                                          \
        if (EDGERNN_MANY) {                                                                                            \
            ones = inputs % 2;                                                                                         \
            for (size_t twos = inputs / 2; twos; --twos, w += 128, x += 2) {                                           \
                const f32x16 one = f32_all(x[0]), two = f32_all(x[1]);                                                 \
                a = f32_fma(load(w), one, a);                                                                          \
                b = f32_fma(load(w + 16), one, b);                                                                     \
                c = f32_fma(load(w + 32), one, c);                                                                     \
                d = f32_fma(load(w + 48), one, d);                                                                     \
                e = f32_fma(load(w + 64), two, e);                                                                     \
                f = f32_fma(load(w + 80), two, f);                                                                     \
                g = f32_fma(load(w + 96), two, g);                                                                     \
                h = f32_fma(load(w + 112), two, h);                                                                    \
            }                                                                                                          \
            a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);                                \
        }                                                                                                              \
        for (; ones; --ones, w += 64, ++x) {                                                                           \
            const f32x16 one = f32_all(*x);                                                                            \
            a = f32_fma(load(w), one, a);                                                                              \
            b = f32_fma(load(w + 16), one, b);                                                                         \
            c = f32_fma(load(w + 32), one, c);                                                                         \
            d = f32_fma(load(w + 48), one, d);                                                                         \
        }                                                                                                              \
        affine_end(y, a, scale, bias, at);                                                                             \
        affine_end(y, b, scale, bias, at + 16);                                                                        \
        affine_end(y, c, scale, bias, at + 32);                                                                        \
        affine_end(y, d, scale, bias, at + 48);                                                                        \
    }
#endif

/* Four blocks side by side share the loads of x; remaining blocks run one by one, with several columns in flight. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FOUR(name, kind, load)                                                                                     \
    EDGERNN_FN void name##_one(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        f32x16 a = f32_all(0), b = a, c = a, d = a;                                                                    \
        for (size_t fours = inputs / 4; fours; --fours, w += 64, x += 4) {                                             \
            a = f32_fma(load(w), f32_all(x[0]), a);                                                                    \
            b = f32_fma(load(w + 16), f32_all(x[1]), b);                                                               \
            c = f32_fma(load(w + 32), f32_all(x[2]), c);                                                               \
            d = f32_fma(load(w + 48), f32_all(x[3]), d);                                                               \
        }                                                                                                              \
        for (size_t ones = inputs % 4; ones; --ones, w += 16, ++x) a = f32_fma(load(w), f32_all(*x), a);               \
        affine_end(y, f32_add(f32_add(a, b), f32_add(c, d)), scale, bias, at);                                         \
    }                                                                                                                  \
    EDGERNN_FN void name(float *y, const kind *w, const float *scale, const float *bias, const float *x,               \
                         size_t blocks, size_t inputs) {                                                               \
        size_t at = 0;                                                                                                 \
        for (size_t fours = blocks / 4; fours; --fours, at += 64) name##_four(y, w + at * inputs, scale, bias, x, at, inputs); \
        for (size_t ones = blocks % 4; ones; --ones, at += 16) name##_one(y, w + at * inputs, scale, bias, x, at, inputs);     \
    }

EDGERNN_AFFINE(affine_f32, float, f32_load)
EDGERNN_AFFINE(affine_f16, uint16_t, f32_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE
#undef EDGERNN_FOUR

EDGERNN_FN void affine_f32_sparse(float *y, const float *w, const uint16_t *index, const uint32_t *starts,
                                  const uint16_t *order, const float *bias, const float *x, size_t blocks) {
    for (size_t fours = blocks / 4; fours; --fours, ++starts, order += 4) {
        f32x16 a = f32_all(0), b = a, c = a, d = a;
        for (size_t columns = (starts[1] - starts[0]) / 4; columns; --columns, w += 64, index += 4) {
            a = f32_fma(f32_load(w), f32_all(x[index[0]]), a);
            b = f32_fma(f32_load(w + 16), f32_all(x[index[1]]), b);
            c = f32_fma(f32_load(w + 32), f32_all(x[index[2]]), c);
            d = f32_fma(f32_load(w + 48), f32_all(x[index[3]]), d);
        }
        affine_end(y, a, NULL, bias, 16 * (size_t)order[0]);
        affine_end(y, b, NULL, bias, 16 * (size_t)order[1]);
        affine_end(y, c, NULL, bias, 16 * (size_t)order[2]);
        affine_end(y, d, NULL, bias, 16 * (size_t)order[3]);
    }
    for (size_t ones = blocks % 4; ones; --ones, ++starts, ++order) {
        f32x16 a = f32_all(0);
        for (size_t columns = starts[1] - starts[0]; columns; --columns, w += 16, ++index)
            a = f32_fma(f32_load(w), f32_all(x[*index]), a);
        affine_end(y, a, NULL, bias, 16 * (size_t)*order);
    }
}
#endif

#endif

/* The check of a frame before it enters the state, and flushing of denormal numbers, which are slow. */
#ifndef EDGERNN_GUARD_H
#define EDGERNN_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


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

/* tanh and sigmoid: absolute error below 1e-6, and the same bits on every machine.
 *
 * tanh is x P(x^2) / Q(x^2) with P and Q of degrees 3 and 4: the minimax ratio from -7.9 to 7.9 (largest absolute error
 * 1.1e-7 in exact arithmetic, 4.2e-7 in float32). For larger |x| tanh is within 3e-7 of 1 or -1. The sigmoid is
 * (1 + tanh(x / 2)) / 2. Each product and sum is rounded, without fused operations, so that quantizing the result gives
 * the same integers everywhere. The polynomials are evaluated in pairs, which has a shorter chain than Horner's scheme.
 */
#ifndef EDGERNN_SQUASH_F32_H
#define EDGERNN_SQUASH_F32_H


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

/* gru.c: 12 */
ALIGNED static const float gru_c[16] = {
    0.6328125f, 0.2578125f, -0.1171875f, -0.4921875f, -0.8671875f, 0.765625f, 0.390625f, 0.015625f,
    -0.359375f, -0.734375f, 0.8984375f, 0.5234375f, 0.0f, 0.0f, 0.0f, 0.0f,
};

/* gru.w: 12 x 3 */
ALIGNED static const float gru_w[48] = {
    0.6328125f, -0.4921875f, 0.390625f, -0.734375f, 0.1484375f, -0.9765625f, -0.09375f, 0.7890625f,
    -0.3359375f, 0.546875f, -0.578125f, 0.3046875f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.2578125f, -0.8671875f, 0.015625f, 0.8984375f, -0.2265625f, 0.65625f, -0.46875f, 0.4140625f,
    -0.7109375f, 0.171875f, -0.953125f, -0.0703125f, 0.0f, 0.0f, 0.0f, 0.0f,
    -0.1171875f, 0.765625f, -0.359375f, 0.5234375f, -0.6015625f, 0.28125f, -0.84375f, 0.0390625f,
    0.921875f, -0.203125f, 0.6796875f, -0.4453125f, 0.0f, 0.0f, 0.0f, 0.0f,
};

/* gru.u: 12 x 4 */
ALIGNED static const float gru_u[64] = {
    0.6328125f, -0.8671875f, -0.359375f, 0.1484375f, 0.65625f, -0.84375f, -0.3359375f, 0.171875f,
    0.6796875f, -0.8203125f, -0.3125f, 0.1953125f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.2578125f, 0.765625f, -0.734375f, -0.2265625f, 0.28125f, 0.7890625f, -0.7109375f, -0.203125f,
    0.3046875f, 0.8125f, -0.6875f, -0.1796875f, 0.0f, 0.0f, 0.0f, 0.0f,
    -0.1171875f, 0.390625f, 0.8984375f, -0.6015625f, -0.09375f, 0.4140625f, 0.921875f, -0.578125f,
    -0.0703125f, 0.4375f, 0.9453125f, -0.5546875f, 0.0f, 0.0f, 0.0f, 0.0f,
    -0.4921875f, 0.015625f, 0.5234375f, -0.9765625f, -0.46875f, 0.0390625f, 0.546875f, -0.953125f,
    -0.4453125f, 0.0625f, 0.5703125f, -0.9296875f, 0.0f, 0.0f, 0.0f, 0.0f,
};

/* scores.b: 2 */
ALIGNED static const float scores_b[16] = {
    0.6328125f, 0.2578125f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
};

/* scores.w: 2 x 4 */
ALIGNED static const float scores_w[64] = {
    0.6328125f, -0.8671875f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.2578125f, 0.765625f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    -0.1171875f, 0.390625f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    -0.4921875f, 0.015625f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
    0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f,
};

static void gru4_compute(gru4_state *state, float *y) {
    const float_mode before = flush_on();
    float *const scratch = state->scratch;
    (void)scratch;

    /* gru: Gru, reads x, carries gru.h */
    float *const gru_0 = scratch + 0;
    affine_f32(gru_0, gru_w, NULL, gru_c, state->x, 1, 3);
    const float *const gru_1 = gru_0 + 0;
    const float *const gru_2 = gru_0 + 4;
    const float *const gru_3 = gru_0 + 8;
    float *const gru_4 = scratch + 16;
    affine_f32(gru_4, gru_u, NULL, gru_c, state->gru_h, 1, 4);
    const float *const gru_5 = gru_4 + 0;
    const float *const gru_6 = gru_4 + 4;
    const float *const gru_7 = gru_4 + 8;
    float *const gru_17 = scratch + 32;
    for (size_t i = 0; i < 16; i += 16) {
        const f32x16 gru_8_i = f32_add(f32_load(gru_1 + i), f32_load(gru_5 + i));
        const f32x16 gru_9_i = f32_sigmoid(gru_8_i);
        const f32x16 gru_10_i = f32_add(f32_load(gru_2 + i), f32_load(gru_6 + i));
        const f32x16 gru_11_i = f32_sigmoid(gru_10_i);
        const f32x16 gru_12_i = f32_mul(gru_9_i, f32_load(gru_7 + i));
        const f32x16 gru_13_i = f32_add(f32_load(gru_3 + i), gru_12_i);
        const f32x16 gru_14_i = f32_tanh(gru_13_i);
        const f32x16 gru_15_i = f32_sub(f32_load(state->gru_h + i), gru_14_i);
        const f32x16 gru_16_i = f32_mul(gru_11_i, gru_15_i);
        const f32x16 gru_17_i = f32_add(gru_14_i, gru_16_i);
        f32_store(gru_17 + i, gru_17_i);
    }

    /* scores: Dense, reads gru */
    float *const scores_0 = scratch + 0;
    affine_f32(scores_0, scores_w, NULL, scores_b, gru_17, 1, 4);

    /* the answer and the new states */
    memcpy(y, scores_0, 2 * sizeof *y);
    memcpy(state->gru_h, gru_17, 4 * sizeof(float));
    flush_restore(before);
}

size_t gru4_size(void) { return sizeof(gru4_state); }

void gru4_reset(gru4_state *state) {
    memset(state, 0, sizeof *state);
}

CALLED int gru4_advance(gru4_state *state) {
    const float *const x = state->x;
    if (!all_within(x, 9.671407e+24f, 3)) return 1;
    gru4_compute(state, state->y);
    return 0;
}

int gru4_step(gru4_state *state, const float *x, float *y) {
    if (!all_within(x, 9.671407e+24f, 3)) return 1;
    memcpy(state->x, x, 3 * sizeof *x);
    gru4_compute(state, y);
    return 0;
}

void gru4_prime(const gru4_state *state, gru4_state *scratch) {
    memcpy(scratch, state, sizeof *scratch);
    while (gru4_advance(scratch)) memset(scratch->x, 0, sizeof scratch->x); /* state->x may be a refused frame */
}

size_t gru4_run(gru4_state *state, const float *xs, float *ys, size_t steps) {
    for (size_t t = 0; t < steps; ++t)
        if (gru4_step(state, xs + t * 3, ys + t * 2)) return t;
    return steps;
}

void gru4_get(const gru4_state *state, float *carried) {
    memcpy(carried + 0, state->gru_h, 4 * sizeof(float));
}

void gru4_set(gru4_state *state, const float *carried) {
    memcpy(state->gru_h, carried + 0, 4 * sizeof(float));
}

static const char about[] =
    "{\"edgernn.sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"edge"
    "rnn.graph\":\"47a826a0efdbbc3cef3d11afa78a0e5f3eebfce9aa924f1c428975481cffae23\",\"edgernn.ver"
    "sion\":\"0.2.0\",\"edgernn.precision\":\"fp32\",\"edgernn.inputs\":3,\"edgernn.outputs\":2,\"edgernn.v"
    "ocabulary_size\":0,\"edgernn.states\":{\"gru.h\":4},\"edgernn.initial_state\":{},\"edgernn.period_"
    "ms\":10.0,\"edgernn.labels\":[\"quiet\",\"loud\"],\"edgernn.cpu\":\"\",\"edgernn.window\":\"\",\"edgernn.q"
    "uantization\":{},\"edgernn.same_bits\":\"\",\"edgernn.limit\":9.671406556917033e+24}";

const char *gru4_about(void) { return about; }

void gru4_widths(size_t widths[3]) {
    widths[0] = 3;
    widths[1] = 4;
    widths[2] = 2;
}

void gru4_places(size_t places[2]) {
    places[0] = offsetof(gru4_state, x);
    places[1] = offsetof(gru4_state, y);
}

#ifndef EDGERNN_NO_SELF_TEST
static const float test_x[] = {
    0.34558418f, 0.82161814f, 0.33043706f, 1.3031572f, 0.9053559f, 0.44637457f, 0.5369532f, 0.5811181f,
    0.3645724f, 0.2941325f, 0.028422242f, 0.546713f,
};

static const float test_y[] = {
    0.044949353f, 0.8858566f, -0.16732097f, 1.1492419f, -0.19815779f, 1.1619442f, -0.043361902f, 0.9516765f,
};

int gru4_self_test_at(size_t place[2], float values[3]) {
    const float most = 0.00011999265f;
    gru4_state state;
    float y[2];
    gru4_reset(&state);
    for (size_t t = 0; t != 4; ++t) {
        place[0] = t, place[1] = 0;
        if (gru4_step(&state, test_x + t * 3, y)) return 1;
        for (size_t i = 0; i < 2; ++i) {
            const float expected = test_y[t * 2 + i];
            place[1] = i;
            values[0] = y[i], values[1] = expected, values[2] = most;
            if (!(y[i] - expected <= most && expected - y[i] <= most)) return 2;
        }
    }
    return 0;
}

int gru4_self_test(void) {
    size_t place[2];
    float values[3];
    return gru4_self_test_at(place, values);
}
#endif
