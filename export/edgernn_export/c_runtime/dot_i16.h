/* Sixteen exact sums, each of four products of a byte and an activation of 16 bits.
 *
 * Weights are stored as in dot_i8.h: 64 bytes, 16 rows by 4 inputs. They are widened to 16 bits, and pairs of products
 * are added in 32 bits, so each row has two lanes until the end.
 */
#ifndef EDGERNN_DOT_I16_H
#define EDGERNN_DOT_I16_H

#include "blocks.h"

#if defined(EDGERNN_AVX512)

typedef struct {
    __m512i at[2];
} wide;
typedef __m512i wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    a.at[0] = a.at[1] = _mm512_setzero_si512();
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) {
    int64_t four;
    memcpy(&four, x, sizeof four);
    return _mm512_set1_epi64(four);
}
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int k = 0; k < 2; ++k) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(w + 32 * k));
        a.at[k] = _mm512_dpwssd_epi32(a.at[k], _mm512_maskz_cvtepi8_epi16(0xffffffffu, bytes), x);
    }
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int k = 0; k < 2; ++k) a.at[k] = _mm512_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m512i first = _mm512_permutex2var_epi32(a.at[0], even, a.at[1]);
    _mm512_storeu_si512((void *)sum, _mm512_add_epi32(first, _mm512_permutex2var_epi32(a.at[0], odd, a.at[1])));
}

#elif defined(EDGERNN_AVX2)

typedef struct {
    __m256i at[4];
} wide;
typedef __m256i wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    for (int k = 0; k < 4; ++k) a.at[k] = _mm256_setzero_si256();
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) {
    int64_t four;
    memcpy(&four, x, sizeof four);
    return _mm256_set1_epi64x(four);
}
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int k = 0; k < 4; ++k) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(w + 16 * k));
#if defined(EDGERNN_DPWSSD)
        a.at[k] = EDGERNN_DPWSSD(a.at[k], _mm256_cvtepi8_epi16(bytes), x);
#else
        a.at[k] = _mm256_add_epi32(a.at[k], _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), x));
#endif
    }
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int k = 0; k < 4; ++k) a.at[k] = _mm256_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) {
    for (int k = 0; k < 4; k += 2) {
        const __m256i pairs = _mm256_permute4x64_epi64(_mm256_hadd_epi32(a.at[k], a.at[k + 1]), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(sum + 4 * k), pairs);
    }
}

#elif defined(EDGERNN_NEON)

typedef struct {
    int32x4_t at[8];
} wide;
typedef int16x4_t wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    for (int k = 0; k < 8; ++k) a.at[k] = vdupq_n_s32(0);
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) { return vld1_s16(x); }
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int k = 0; k < 8; ++k) {
        const int16x8_t two = vmovl_s8(vld1_s8(w + 8 * k));
        a.at[k] = vaddq_s32(a.at[k], four_pairs(vmull_s16(vget_low_s16(two), x), vmull_s16(vget_high_s16(two), x)));
    }
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int k = 0; k < 8; ++k) a.at[k] = vaddq_s32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) {
    for (int k = 0; k < 4; ++k) vst1q_s32(sum + 4 * k, four_pairs(a.at[2 * k], a.at[2 * k + 1]));
}

#elif defined(EDGERNN_SSE2)

typedef struct {
    __m128i at[8];
} wide;
typedef __m128i wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_setzero_si128();
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) {
    const __m128i four = _mm_loadl_epi64((const __m128i *)(const void *)x);
    return _mm_unpacklo_epi64(four, four);
}
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_add_epi32(a.at[k], two_rows(w + 8 * k, x));
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) {
    for (int k = 0; k < 4; ++k)
        _mm_storeu_si128((__m128i *)(void *)(sum + 4 * k), four_pairs(a.at[2 * k], a.at[2 * k + 1]));
}

#elif defined(EDGERNN_WASM)

typedef struct {
    v128_t at[8];
} wide;
typedef v128_t wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_splat(0);
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) { return wasm_v128_load64_splat(x); }
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_add(a.at[k], two_rows(w + 8 * k, x));
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_add(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) {
    for (int k = 0; k < 4; ++k) wasm_v128_store(sum + 4 * k, four_pairs(a.at[2 * k], a.at[2 * k + 1]));
}

#else

typedef struct {
    int32_t at[EDGERNN_LANES];
} wide;
typedef const int16_t *wide_four;

EDGERNN_FN wide wide_zero(void) {
    wide a;
    for (int r = 0; r < EDGERNN_LANES; ++r) a.at[r] = 0;
    return a;
}
EDGERNN_FN wide_four wide_read(const int16_t *x) { return x; }
EDGERNN_FN wide dot_i16(wide a, const int8_t *w, wide_four x) {
    for (int r = 0; r < EDGERNN_LANES; ++r)
        for (int i = 0; i < 4; ++i) a.at[r] += (int32_t)w[4 * r + i] * x[i];
    return a;
}
EDGERNN_FN wide wide_add(wide a, wide b) {
    for (int r = 0; r < EDGERNN_LANES; ++r) a.at[r] += b.at[r];
    return a;
}
EDGERNN_FN void wide_store(int32_t *sum, wide a) { memcpy(sum, a.at, sizeof a.at); }

#endif

#endif
