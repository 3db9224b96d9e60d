/* The dot product of int8 arithmetic: sixteen exact sums, each of four products of bytes.
 *
 * Weights are 64 bytes, 16 rows by 4 inputs; activations are 4 bytes plus EDGERNN_Q_SHIFT. AVX-512 takes activations as
 * unsigned bytes, 128 too large, so its sums start at -128 times the sum of each row.
 */
#ifndef EDGERNN_DOT_I8_H
#define EDGERNN_DOT_I8_H

#include "blocks.h"

#if defined(EDGERNN_AVX512)
#define EDGERNN_Q_SHIFT 128 /* vpdpbusd multiplies unsigned with signed bytes */
#else
#define EDGERNN_Q_SHIFT 0
#endif

#if defined(EDGERNN_AVX512)

typedef __m512i dots;
typedef __m512i dot_four;

EDGERNN_FN dots dot_zero(void) { return _mm512_setzero_si512(); }
EDGERNN_FN dots dot_begin(const int32_t *sums) { return _mm512_loadu_si512((const void *)sums); }
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_set1_epi32(four);
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    return _mm512_dpbusd_epi32(a, q, _mm512_loadu_si512((const void *)w));
}
EDGERNN_FN dots dot_add(dots a, dots b) { return _mm512_add_epi32(a, b); }
EDGERNN_FN void dot_store(int32_t *sum, dots a) { _mm512_storeu_si512((void *)sum, a); }

#elif defined(EDGERNN_AVX2)

/* Widened to 16 bits, because sums of pairs of bytes saturate; each row has two lanes until the end. */
typedef struct {
    __m256i at[4];
} dots;
typedef __m256i dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int k = 0; k < 4; ++k) a.at[k] = _mm256_setzero_si256();
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 4; ++k) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(w + 16 * k));
        a.at[k] = _mm256_add_epi32(a.at[k], _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), q));
    }
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 4; ++k) a.at[k] = _mm256_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 4; k += 2) {
        const __m256i pairs = _mm256_permute4x64_epi64(_mm256_hadd_epi32(a.at[k], a.at[k + 1]), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(sum + 4 * k), pairs);
    }
}

#elif defined(EDGERNN_DOTPROD)

typedef int32x4x4_t dots;
typedef int8x16_t dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int k = 0; k < 4; ++k) a.val[k] = vdupq_n_s32(0);
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 4; ++k) a.val[k] = vdotq_s32(a.val[k], vld1q_s8(w + 16 * k), q);
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 4; ++k) a.val[k] = vaddq_s32(a.val[k], b.val[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 4; ++k) vst1q_s32(sum + 4 * k, a.val[k]);
}

#elif defined(EDGERNN_NEON)

/* Products in 16 bits (127 * 127 fits), pairs of them added in 32 bits; each row has two lanes until the end. */
typedef struct {
    int32x4_t at[8];
} dots;
typedef int8x8_t dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int k = 0; k < 8; ++k) a.at[k] = vdupq_n_s32(0);
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return vreinterpret_s8_s32(vdup_n_s32(four));
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 8; ++k) a.at[k] = vpadalq_s16(a.at[k], vmull_s8(vld1_s8(w + 8 * k), q));
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 8; ++k) a.at[k] = vaddq_s32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 4; ++k) vst1q_s32(sum + 4 * k, four_pairs(a.at[2 * k], a.at[2 * k + 1]));
}

#else

typedef struct {
    int32_t at[EDGERNN_LANES];
} dots;
typedef struct {
    int32_t at[4];
} dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int r = 0; r < EDGERNN_LANES; ++r) a.at[r] = 0;
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    dot_four four;
    for (int i = 0; i < 4; ++i) four.at[i] = (int8_t)q[i];
    return four;
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int r = 0; r < EDGERNN_LANES; ++r)
        for (int i = 0; i < 4; ++i) a.at[r] += (int32_t)w[4 * r + i] * q.at[i];
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int r = 0; r < EDGERNN_LANES; ++r) a.at[r] += b.at[r];
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) { memcpy(sum, a.at, sizeof a.at); }

#endif

#if !defined(EDGERNN_AVX512)
EDGERNN_FN dots dot_begin(const int32_t *sums) {
    (void)sums;
    return dot_zero();
}
#endif

/* Four activations from signed bytes, in the form of `dot_read`. */
EDGERNN_FN dot_four dot_read_i8(const int8_t *x) {
    uint32_t four;
    uint8_t q[4];
    memcpy(&four, x, sizeof four);
    if (EDGERNN_Q_SHIFT) four ^= 0x80808080u; /* adds 128 to each byte */
    memcpy(q, &four, sizeof q);
    return dot_read(q);
}

#endif
