/* The dot product of int8 arithmetic: sixteen exact sums, each of four products of bytes.
 *
 * Weights are 64 bytes from -127 to 127, 16 rows by 4 inputs; activations are 4 bytes plus EDGERNN_Q_SHIFT. VNNI takes
 * activations as unsigned bytes, 128 too large, so its sums start at -128 times the sum of each row.
 */
#ifndef EDGERNN_DOT_I8_H
#define EDGERNN_DOT_I8_H

#include "blocks.h"
#include "hold.h"

#if defined(EDGERNN_VNNI)
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

typedef struct {
    __m256i at[2];
} dots;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    a.at[0] = a.at[1] = _mm256_setzero_si256();
    return a;
}
EDGERNN_FN __m256i dot_eight(const int8_t *w) { return _mm256_loadu_si256((const __m256i *)(const void *)w); }
EDGERNN_FN __m256i dot_all(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_set1_epi32(four);
}
#if defined(EDGERNN_DPBUSD)
typedef __m256i dot_four;

EDGERNN_FN dots dot_begin(const int32_t *sums) {
    dots a;
    for (int k = 0; k < 2; ++k) a.at[k] = _mm256_loadu_si256((const __m256i *)(const void *)(sums + 8 * k));
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) { return dot_all(q); }
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 2; ++k) a.at[k] = EDGERNN_DPBUSD(a.at[k], q, dot_eight(w + 32 * k));
    return a;
}
#else
/* vpmaddubsw multiplies unsigned with signed bytes and saturates the sums of pairs at 16 bits. It takes |q|, and w with the
 * sign of q: products of at most 128 * 127, as w is from -127 to 127 and can be negated; so a pair is at most 32512. */
typedef struct {
    __m256i size, sign;
} dot_four;

EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    dot_four four;
    four.sign = dot_all(q);
    four.size = _mm256_abs_epi8(four.sign);
    return four;
}
EDGERNN_FN __m256i dot_pairs(__m256i a, __m256i size, __m256i w) {
    a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(size, w), _mm256_set1_epi16(1)));
    EDGERNN_HOLD(a); /* else gcc computes many products before their sums, and has no registers for them */
    return a;
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 2; ++k) a.at[k] = dot_pairs(a.at[k], q.size, _mm256_sign_epi8(dot_eight(w + 32 * k), q.sign));
    return a;
}

/* For many rows: ~w = -w - 1 in place of -w where q is negative, which costs less, because it can be done while w is
 * loaded. That is |q| too little for each negative q, whatever the row, so sums start at `dot_below`. A pair is from
 * 128 * -128 * 2 = -32768 to 32512. */
EDGERNN_FN int32_t dot_below(const uint8_t *q, size_t groups) {
    int32_t sum = 0;
    for (size_t i = 0; i < 4 * groups; ++i) sum -= (int8_t)q[i] < 0 ? (int8_t)q[i] : 0;
    return sum;
}
EDGERNN_FN dots dot_begin_many(const int32_t *sums, int32_t below) {
    dots a;
    (void)sums;
    a.at[0] = a.at[1] = _mm256_set1_epi32(below);
    return a;
}
EDGERNN_FN dot_four dot_read_many(const uint8_t *q) {
    dot_four four = dot_read(q);
    four.sign = _mm256_cmpgt_epi8(_mm256_setzero_si256(), four.sign);
    return four;
}
EDGERNN_FN dots dot_i8_many(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 2; ++k) a.at[k] = dot_pairs(a.at[k], q.size, _mm256_xor_si256(dot_eight(w + 32 * k), q.sign));
    return a;
}
#define EDGERNN_DOT_MANY 1
#endif
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 2; ++k) a.at[k] = _mm256_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 2; ++k) _mm256_storeu_si256((__m256i *)(void *)(sum + 8 * k), a.at[k]);
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

#elif defined(EDGERNN_SSE2)

/* Widened to 16 bits; each row has two lanes until the end. */
typedef struct {
    __m128i at[8];
} dots;
typedef __m128i dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_setzero_si128();
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    const __m128i bytes = _mm_set1_epi32(four);
    return _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_add_epi32(a.at[k], two_rows(w + 8 * k, q));
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 8; ++k) a.at[k] = _mm_add_epi32(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 4; ++k)
        _mm_storeu_si128((__m128i *)(void *)(sum + 4 * k), four_pairs(a.at[2 * k], a.at[2 * k + 1]));
}

#elif defined(EDGERNN_WASM)

typedef struct {
    v128_t at[8];
} dots;
typedef v128_t dot_four;

EDGERNN_FN dots dot_zero(void) {
    dots a;
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_splat(0);
    return a;
}
EDGERNN_FN dot_four dot_read(const uint8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return wasm_i16x8_extend_low_i8x16(wasm_i32x4_splat(four));
}
EDGERNN_FN dots dot_i8(dots a, const int8_t *w, dot_four q) {
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_add(a.at[k], two_rows(w + 8 * k, q));
    return a;
}
EDGERNN_FN dots dot_add(dots a, dots b) {
    for (int k = 0; k < 8; ++k) a.at[k] = wasm_i32x4_add(a.at[k], b.at[k]);
    return a;
}
EDGERNN_FN void dot_store(int32_t *sum, dots a) {
    for (int k = 0; k < 4; ++k) wasm_v128_store(sum + 4 * k, four_pairs(a.at[2 * k], a.at[2 * k + 1]));
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

#if !defined(EDGERNN_VNNI)
EDGERNN_FN dots dot_begin(const int32_t *sums) {
    (void)sums;
    return dot_zero();
}
#endif

#if !defined(EDGERNN_DOT_MANY)
EDGERNN_FN int32_t dot_below(const uint8_t *q, size_t groups) {
    (void)q, (void)groups;
    return 0;
}
EDGERNN_FN dots dot_begin_many(const int32_t *sums, int32_t below) {
    (void)below;
    return dot_begin(sums);
}
EDGERNN_FN dot_four dot_read_many(const uint8_t *q) { return dot_read(q); }
EDGERNN_FN dots dot_i8_many(dots a, const int8_t *w, dot_four q) { return dot_i8(a, w, q); }
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
EDGERNN_FN dot_four dot_read_many_i8(const int8_t *x) {
#if defined(EDGERNN_DOT_MANY)
    return dot_read_many((const uint8_t *)x);
#else
    return dot_read_i8(x);
#endif
}

#endif
