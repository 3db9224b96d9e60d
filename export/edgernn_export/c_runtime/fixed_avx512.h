/* Fixed point with AVX-512: the functions of fixed.h on sixteen values at once. */
#ifndef EDGERNN_FIXED_AVX512_H
#define EDGERNN_FIXED_AVX512_H

#include "blocks.h"

#if defined(EDGERNN_AVX512)

#define EDGERNN_AT_ONCE 16
typedef __m512i q32;
typedef __m512i q64;

EDGERNN_FN q32 q_i8(const int8_t *p) {
    return _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i *)(const void *)p));
}
EDGERNN_FN q32 q_i16(const int16_t *p) {
    return _mm512_maskz_cvtepi16_epi32(0xffff, _mm256_loadu_si256((const __m256i *)(const void *)p));
}
EDGERNN_FN q32 q_i32(const int32_t *p) { return _mm512_loadu_si512((const void *)p); }
EDGERNN_FN void q_store_i8(int8_t *p, q32 a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_maskz_cvtepi32_epi8(0xffff, a));
}
EDGERNN_FN void q_store_i16(int16_t *p, q32 a) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_maskz_cvtepi32_epi16(0xffff, a));
}
EDGERNN_FN q32 q_plus(q32 a, int32_t b) { return _mm512_add_epi32(a, _mm512_set1_epi32(b)); }
EDGERNN_FN q32 q_add(q32 a, q32 b) { return _mm512_add_epi32(a, b); }
EDGERNN_FN q32 q_mul(q32 a, q32 b) { return _mm512_mullo_epi32(a, b); }
EDGERNN_FN q32 q_times(q32 a, int32_t b) { return _mm512_mullo_epi32(a, _mm512_set1_epi32(b)); }
EDGERNN_FN q32 q_positive(q32 a) { return _mm512_maskz_max_epi32(0xffff, a, _mm512_setzero_si512()); }
EDGERNN_FN q64 q_end(q32 a, int32_t low, int32_t high) {
    return _mm512_maskz_min_epi32(0xffff, _mm512_maskz_max_epi32(0xffff, a, _mm512_set1_epi32(low)), _mm512_set1_epi32(high));
}
EDGERNN_FN q32 to_i8(q64 a, int zero) { return q_plus(q_end(a, -128 - zero, 127 - zero), zero); }
EDGERNN_FN q32 to_i16(q64 a, int zero) { return q_plus(q_end(a, -32768 - zero, 32767 - zero), zero); }
EDGERNN_FN q32 q_hold(q32 a, q32 last, int32_t steps) {
    const __m512i size = _mm512_maskz_abs_epi32(0xffff, _mm512_sub_epi32(a, last));
    return _mm512_mask_mov_epi32(last, _mm512_cmpgt_epi32_mask(size, _mm512_set1_epi32(steps)), a);
}

/* The first or the last eight lanes of 32 bits, widened to 64. */
EDGERNN_FN __m512i q_half(q32 a, int last) {
    const __m256i first = _mm512_maskz_extracti64x4_epi64(0xff, a, 0), second = _mm512_maskz_extracti64x4_epi64(0xff, a, 1);
    return _mm512_maskz_cvtepi32_epi64(0xff, last ? second : first);
}
EDGERNN_FN q64 q_whole(__m512i first, __m512i last) {
    const __m256i a = _mm512_maskz_cvtsepi64_epi32(0xff, first), b = _mm512_maskz_cvtsepi64_epi32(0xff, last);
    return _mm512_maskz_inserti64x4(0xff, _mm512_maskz_broadcast_i64x4(0xff, a), b, 1);
}
EDGERNN_FN __m512i q_mul64(__m512i a, __m512i b) { return _mm512_maskz_mul_epi32(0xff, a, b); }
EDGERNN_FN __m512i q_halve(__m512i a, int shift) {
    const __m512i half = _mm512_set1_epi64(1LL << (shift - 1));
    return _mm512_maskz_sra_epi64(0xff, _mm512_add_epi64(a, half), _mm_cvtsi32_si128(shift));
}
EDGERNN_FN q64 rescale(q32 a, int32_t mantissa, int shift) {
    const __m512i by = _mm512_set1_epi64(mantissa);
    return q_whole(q_halve(q_mul64(q_half(a, 0), by), shift), q_halve(q_mul64(q_half(a, 1), by), shift));
}
EDGERNN_FN q64 rescale_sum(q32 a, int32_t by_a, q32 b, int32_t by_b, int shift) {
    const __m512i x = _mm512_set1_epi64(by_a), y = _mm512_set1_epi64(by_b);
    const __m512i first = _mm512_add_epi64(q_mul64(q_half(a, 0), x), q_mul64(q_half(b, 0), y));
    const __m512i last = _mm512_add_epi64(q_mul64(q_half(a, 1), x), q_mul64(q_half(b, 1), y));
    return q_whole(q_halve(first, shift), q_halve(last, shift));
}
EDGERNN_FN q64 rescale_plus(q32 a, const int32_t *by, const int64_t *plus, int shift) {
    const __m512i x = q_i32(by), first = _mm512_loadu_si512((const void *)plus);
    const __m512i last = _mm512_loadu_si512((const void *)(plus + 8));
    return q_whole(q_halve(_mm512_add_epi64(q_mul64(q_half(a, 0), q_half(x, 0)), first), shift),
                   q_halve(_mm512_add_epi64(q_mul64(q_half(a, 1), q_half(x, 1)), last), shift));
}
EDGERNN_FN __m512i q_halve_each(__m512i a, const uint8_t *shift) {
    const __m512i by = _mm512_maskz_cvtepu8_epi64(0xff, _mm_loadl_epi64((const __m128i *)(const void *)shift));
    const __m512i one = _mm512_set1_epi64(1);
    const __m512i half = _mm512_maskz_sllv_epi64(0xff, one, _mm512_sub_epi64(by, one));
    return _mm512_maskz_srav_epi64(0xff, _mm512_add_epi64(a, half), by);
}
EDGERNN_FN q64 rescale_each(q32 a, const int32_t *mantissa, const uint8_t *shift) {
    const __m512i by = q_i32(mantissa);
    return q_whole(q_halve_each(q_mul64(q_half(a, 0), q_half(by, 0)), shift),
                   q_halve_each(q_mul64(q_half(a, 1), q_half(by, 1)), shift + 8));
}
/* Loads four bytes per entry; tables are padded at the end for that. */
EDGERNN_FN q32 q_table_i8(const int8_t *table, q32 i) {
    const __m512i four = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, i, (const void *)table, 1);
    return _mm512_maskz_srai_epi32(0xffff, _mm512_maskz_slli_epi32(0xffff, four, 24), 24);
}
EDGERNN_FN q32 q_table_i16(const int16_t *table, q32 i) {
    const __m512i two = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, i, (const void *)table, 2);
    return _mm512_maskz_srai_epi32(0xffff, _mm512_maskz_slli_epi32(0xffff, two, 16), 16);
}
EDGERNN_FN q32 tanh_fixed(const uint16_t *table, q64 position) {
    const __m512i none = _mm512_setzero_si512();
    const __mmask16 below = _mm512_cmplt_epi32_mask(position, none);
    const __m512i bounded = q_end(position, -262144, 262144);
    const __m512i at = _mm512_mask_sub_epi32(bounded, below, none, bounded);
    const __m512i i = _mm512_maskz_min_epi32(0xffff, _mm512_maskz_srli_epi32(0xffff, at, 9), _mm512_set1_epi32(511));
    const __m512i both = _mm512_mask_i32gather_epi32(none, 0xffff, i, (const void *)table, 2);
    const __m512i low = _mm512_and_si512(both, _mm512_set1_epi32(0xffff));
    const __m512i rise = _mm512_sub_epi32(_mm512_maskz_srli_epi32(0xffff, both, 16), low);
    const __m512i within = _mm512_sub_epi32(at, _mm512_maskz_slli_epi32(0xffff, i, 9));
    const __m512i more = q_plus(_mm512_mullo_epi32(rise, within), 256);
    const __m512i t = _mm512_add_epi32(low, _mm512_maskz_srai_epi32(0xffff, more, 9));
    return _mm512_mask_sub_epi32(t, below, none, t);
}
EDGERNN_FN q32 q_drop(q32 a, int bits) {
    return _mm512_maskz_sra_epi32(0xffff, q_plus(a, 1 << (bits - 1)), _mm_cvtsi32_si128(bits));
}

#endif

#endif
