/* Fixed point with AVX2: the functions of fixed.h on sixteen values at once. */
#ifndef EDGERNN_FIXED_AVX2_H
#define EDGERNN_FIXED_AVX2_H

#include "blocks.h"

#if defined(EDGERNN_AVX2)

#define EDGERNN_AT_ONCE 16
typedef struct {
    __m256i at[2];
} q32;
typedef q32 q64;

#define EDGERNN_EIGHTS(name, call)                                                                                     \
    EDGERNN_FN q32 name(q32 a, q32 b) {                                                                                \
        a.at[0] = call(a.at[0], b.at[0]);                                                                              \
        a.at[1] = call(a.at[1], b.at[1]);                                                                              \
        return a;                                                                                                      \
    }
EDGERNN_EIGHTS(q_add, _mm256_add_epi32)
EDGERNN_EIGHTS(q_mul, _mm256_mullo_epi32)
EDGERNN_EIGHTS(q_least, _mm256_min_epi32)
EDGERNN_EIGHTS(q_most, _mm256_max_epi32)
#undef EDGERNN_EIGHTS

EDGERNN_FN q32 q_all(int32_t a) {
    q32 y;
    y.at[0] = y.at[1] = _mm256_set1_epi32(a);
    return y;
}
EDGERNN_FN q32 q_i8(const int8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    q32 y;
    y.at[0] = _mm256_cvtepi8_epi32(bytes);
    y.at[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8));
    return y;
}
EDGERNN_FN q32 q_i16(const int16_t *p) {
    q32 y;
    for (int k = 0; k < 2; ++k)
        y.at[k] = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 8 * k)));
    return y;
}
EDGERNN_FN q32 q_i32(const int32_t *p) {
    q32 y;
    for (int k = 0; k < 2; ++k) y.at[k] = _mm256_loadu_si256((const __m256i *)(const void *)(p + 8 * k));
    return y;
}
EDGERNN_FN void q_store_i16(int16_t *p, q32 a) {
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.at[0], a.at[1]), 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)p, pairs);
}
EDGERNN_FN void q_store_i8(int8_t *p, q32 a) {
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.at[0], a.at[1]), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    _mm_storeu_si128((__m128i *)(void *)p, bytes);
}
EDGERNN_FN q32 q_times(q32 a, int32_t b) { return q_mul(a, q_all(b)); }
EDGERNN_FN q32 q_plus(q32 a, int32_t b) { return q_add(a, q_all(b)); }
EDGERNN_FN q32 q_positive(q32 a) { return q_most(a, q_all(0)); }
EDGERNN_FN q32 q_end(q64 a, int32_t low, int32_t high) { return q_least(q_most(a, q_all(low)), q_all(high)); }
EDGERNN_FN q32 to_i8(q64 a, int zero) { return q_plus(q_end(a, -128 - zero, 127 - zero), zero); }
EDGERNN_FN q32 to_i16(q64 a, int zero) { return q_plus(q_end(a, -32768 - zero, 32767 - zero), zero); }
EDGERNN_FN q32 q_hold(q32 a, q32 last, int32_t steps) {
    const __m256i most = _mm256_set1_epi32(steps);
    for (int k = 0; k < 2; ++k) {
        const __m256i far = _mm256_cmpgt_epi32(_mm256_abs_epi32(_mm256_sub_epi32(a.at[k], last.at[k])), most);
        a.at[k] = _mm256_blendv_epi8(last.at[k], a.at[k], far);
    }
    return a;
}

/* The even or the odd lanes of 32 bits, in the low half of lanes of 64 bits, where they are multiplied. */
EDGERNN_FN __m256i q_odd(__m256i a) { return _mm256_srli_epi64(a, 32); }

/* Lanes of 64 bits shifted right, then saturated at 32 bits. AVX2 has no arithmetic shift of 64 bits: 2^62 is added
 * before, which makes all numbers positive, and the shifted 2^62 is subtracted again. */
EDGERNN_FN __m256i q_ended(__m256i a) {
    const __m256i most = _mm256_set1_epi64x(INT32_MAX), least = _mm256_set1_epi64x(INT32_MIN);
    a = _mm256_blendv_epi8(a, most, _mm256_cmpgt_epi64(a, most));
    return _mm256_blendv_epi8(a, least, _mm256_cmpgt_epi64(least, a));
}
EDGERNN_FN __m256i q_halve(__m256i a, __m256i shift) {
    const __m256i one = _mm256_set1_epi64x(1), room = _mm256_set1_epi64x(1LL << 62);
    const __m256i half = _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
    const __m256i moved = _mm256_srlv_epi64(_mm256_add_epi64(_mm256_add_epi64(a, half), room), shift);
    return q_ended(_mm256_sub_epi64(moved, _mm256_srlv_epi64(room, shift)));
}
EDGERNN_FN __m256i q_both(__m256i even, __m256i odd) { return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa); }
EDGERNN_FN q64 rescale(q32 a, int32_t mantissa, int shift) {
    const __m256i by = _mm256_set1_epi64x(mantissa), bits = _mm256_set1_epi64x(shift);
    for (int k = 0; k < 2; ++k)
        a.at[k] = q_both(q_halve(_mm256_mul_epi32(a.at[k], by), bits), q_halve(_mm256_mul_epi32(q_odd(a.at[k]), by), bits));
    return a;
}
EDGERNN_FN q64 rescale_sum(q32 a, int32_t by_a, q32 b, int32_t by_b, int shift) {
    const __m256i x = _mm256_set1_epi64x(by_a), y = _mm256_set1_epi64x(by_b), bits = _mm256_set1_epi64x(shift);
    for (int k = 0; k < 2; ++k) {
        const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a.at[k], x), _mm256_mul_epi32(b.at[k], y));
        const __m256i p = _mm256_mul_epi32(q_odd(a.at[k]), x), q = _mm256_mul_epi32(q_odd(b.at[k]), y);
        a.at[k] = q_both(q_halve(even, bits), q_halve(_mm256_add_epi64(p, q), bits));
    }
    return a;
}
EDGERNN_FN q64 rescale_plus(q32 a, const int32_t *by, const int64_t *plus, int shift) {
    const __m256i bits = _mm256_set1_epi64x(shift);
    const q32 x = q_i32(by);
    for (int k = 0; k < 2; ++k, plus += 8) {
        const __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)plus);
        const __m256i last = _mm256_loadu_si256((const __m256i *)(const void *)(plus + 4));
        const __m256i even = _mm256_permute4x64_epi64(_mm256_unpacklo_epi64(first, last), 0xd8);
        const __m256i odd = _mm256_permute4x64_epi64(_mm256_unpackhi_epi64(first, last), 0xd8);
        const __m256i p = _mm256_mul_epi32(a.at[k], x.at[k]), q = _mm256_mul_epi32(q_odd(a.at[k]), q_odd(x.at[k]));
        a.at[k] = q_both(q_halve(_mm256_add_epi64(p, even), bits), q_halve(_mm256_add_epi64(q, odd), bits));
    }
    return a;
}
EDGERNN_FN q64 rescale_each(q32 a, const int32_t *mantissa, const uint8_t *shift) {
    const q32 x = q_i32(mantissa);
    const __m256i low = _mm256_set1_epi64x(0xffffffffLL);
    for (int k = 0; k < 2; ++k) {
        const __m256i by = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(shift + 8 * k)));
        const __m256i even = _mm256_mul_epi32(a.at[k], x.at[k]), odd = _mm256_mul_epi32(q_odd(a.at[k]), q_odd(x.at[k]));
        a.at[k] = q_both(q_halve(even, _mm256_and_si256(by, low)), q_halve(odd, q_odd(by)));
    }
    return a;
}
/* Loads four bytes per entry; tables are padded at the end for that. */
EDGERNN_FN q32 q_table_i8(const int8_t *table, q32 i) {
    for (int k = 0; k < 2; ++k) {
        const __m256i four = _mm256_i32gather_epi32((const int *)(const void *)table, i.at[k], 1);
        i.at[k] = _mm256_srai_epi32(_mm256_slli_epi32(four, 24), 24);
    }
    return i;
}
EDGERNN_FN q32 q_table_i16(const int16_t *table, q32 i) {
    for (int k = 0; k < 2; ++k) {
        const __m256i two = _mm256_i32gather_epi32((const int *)(const void *)table, i.at[k], 2);
        i.at[k] = _mm256_srai_epi32(_mm256_slli_epi32(two, 16), 16);
    }
    return i;
}
EDGERNN_FN q32 tanh_fixed(const uint16_t *table, q64 position) {
    const q32 bounded = q_end(position, -262144, 262144);
    for (int k = 0; k < 2; ++k) {
        const __m256i at = _mm256_abs_epi32(bounded.at[k]);
        const __m256i i = _mm256_min_epi32(_mm256_srli_epi32(at, 9), _mm256_set1_epi32(511));
        const __m256i both = _mm256_i32gather_epi32((const int *)(const void *)table, i, 2);
        const __m256i low = _mm256_and_si256(both, _mm256_set1_epi32(0xffff));
        const __m256i rise = _mm256_sub_epi32(_mm256_srli_epi32(both, 16), low);
        const __m256i more = _mm256_mullo_epi32(rise, _mm256_sub_epi32(at, _mm256_slli_epi32(i, 9)));
        const __m256i t = _mm256_srai_epi32(_mm256_add_epi32(more, _mm256_set1_epi32(256)), 9);
        position.at[k] = _mm256_sign_epi32(_mm256_add_epi32(low, t), bounded.at[k]);
    }
    return position;
}
EDGERNN_FN q32 q_drop(q32 a, int bits) {
    a = q_plus(a, 1 << (bits - 1));
    for (int k = 0; k < 2; ++k) a.at[k] = _mm256_sra_epi32(a.at[k], _mm_cvtsi32_si128(bits));
    return a;
}

#endif

#endif
