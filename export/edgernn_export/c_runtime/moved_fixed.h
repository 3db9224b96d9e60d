/* Which of 16 integers moved by more than so many steps, a bit each.
 *
 * far_16: which did; `large` gets a bit where a change does not fit the type. hold_16: the same, those that moved are held,
 * and `by` is by how much, 0 for the rest; changes that do not fit wrap. x and held have room for 16 elements.
 */
#ifndef EDGERNN_MOVED_FIXED_H
#define EDGERNN_MOVED_FIXED_H

#include "bits.h"

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_SSE2)

#define EDGERNN_LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))

/* How far the elements of two vectors are from each other, as unsigned integers, and where that is at most `steps`. */
EDGERNN_INLINE __m128i apart_i8(__m128i a, __m128i b) {
    const __m128i sign = _mm_set1_epi8(-128);
    a = _mm_xor_si128(a, sign), b = _mm_xor_si128(b, sign);
    return _mm_or_si128(_mm_subs_epu8(a, b), _mm_subs_epu8(b, a));
}
EDGERNN_INLINE __m128i near_i8(__m128i apart, int32_t steps) {
    return _mm_cmpeq_epi8(_mm_subs_epu8(apart, _mm_set1_epi8((int8_t)steps)), _mm_setzero_si128());
}
EDGERNN_INLINE __m128i apart_i16(__m128i a, __m128i b) { return _mm_sub_epi16(_mm_max_epi16(a, b), _mm_min_epi16(a, b)); }
EDGERNN_INLINE __m128i near_i16(__m128i apart, int32_t steps) {
    return _mm_cmpeq_epi16(_mm_subs_epu16(apart, _mm_set1_epi16((int16_t)steps)), _mm_setzero_si128());
}

EDGERNN_INLINE size_t far_16_i8(const int8_t *x, const int8_t *held, int32_t steps, size_t *large) {
    const __m128i apart = apart_i8(EDGERNN_LOAD(x), EDGERNN_LOAD(held));
    *large |= (size_t)_mm_movemask_epi8(apart);
    return (size_t)_mm_movemask_epi8(near_i8(apart, steps)) ^ 0xffffu;
}
EDGERNN_INLINE size_t hold_16_i8(int8_t *by, const int8_t *x, int8_t *held, int32_t steps) {
    const __m128i now = EDGERNN_LOAD(x), last = EDGERNN_LOAD(held), near = near_i8(apart_i8(now, last), steps);
    const __m128i change = _mm_andnot_si128(near, _mm_sub_epi8(now, last));
    _mm_storeu_si128((__m128i *)(void *)by, change);
    _mm_storeu_si128((__m128i *)(void *)held, _mm_add_epi8(last, change));
    return (size_t)_mm_movemask_epi8(near) ^ 0xffffu;
}
EDGERNN_INLINE size_t far_16_i16(const int16_t *x, const int16_t *held, int32_t steps, size_t *large) {
    const __m128i a = apart_i16(EDGERNN_LOAD(x), EDGERNN_LOAD(held));
    const __m128i b = apart_i16(EDGERNN_LOAD(x + 8), EDGERNN_LOAD(held + 8));
    *large |= (size_t)_mm_movemask_epi8(_mm_packs_epi16(a, b));
    return (size_t)_mm_movemask_epi8(_mm_packs_epi16(near_i16(a, steps), near_i16(b, steps))) ^ 0xffffu;
}
EDGERNN_INLINE size_t hold_16_i16(int16_t *by, const int16_t *x, int16_t *held, int32_t steps) {
    __m128i near[2];
    for (int k = 0; k < 2; ++k) {
        const __m128i now = EDGERNN_LOAD(x + 8 * k), last = EDGERNN_LOAD(held + 8 * k);
        near[k] = near_i16(apart_i16(now, last), steps);
        const __m128i change = _mm_andnot_si128(near[k], _mm_sub_epi16(now, last));
        _mm_storeu_si128((__m128i *)(void *)(by + 8 * k), change);
        _mm_storeu_si128((__m128i *)(void *)(held + 8 * k), _mm_add_epi16(last, change));
    }
    return (size_t)_mm_movemask_epi8(_mm_packs_epi16(near[0], near[1])) ^ 0xffffu;
}
#undef EDGERNN_LOAD

#elif defined(EDGERNN_NEON)

/* One bit of each of 16 bytes that are all ones or zeros. */
EDGERNN_FN size_t bits_of(uint8x16_t all) {
    static const uint8_t each[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit = vandq_u8(all, vld1q_u8(each));
    uint8x8_t sum = vpadd_u8(vget_low_u8(bit), vget_high_u8(bit));
    sum = vpadd_u8(sum, sum);
    sum = vpadd_u8(sum, sum);
    return vget_lane_u8(sum, 0) | (size_t)vget_lane_u8(sum, 1) << 8;
}
EDGERNN_FN uint8x16_t apart_i8(int8x16_t a, int8x16_t b) { return vreinterpretq_u8_s8(vabdq_s8(a, b)); }
EDGERNN_FN uint16x8_t apart_i16(int16x8_t a, int16x8_t b) { return vreinterpretq_u16_s16(vabdq_s16(a, b)); }

EDGERNN_FN size_t far_16_i8(const int8_t *x, const int8_t *held, int32_t steps, size_t *large) {
    const uint8x16_t apart = apart_i8(vld1q_s8(x), vld1q_s8(held));
    *large |= bits_of(vcgeq_u8(apart, vdupq_n_u8(128)));
    return bits_of(vcgtq_u8(apart, vdupq_n_u8((uint8_t)steps)));
}
EDGERNN_FN size_t hold_16_i8(int8_t *by, const int8_t *x, int8_t *held, int32_t steps) {
    const int8x16_t now = vld1q_s8(x), last = vld1q_s8(held);
    const uint8x16_t far = vcgtq_u8(apart_i8(now, last), vdupq_n_u8((uint8_t)steps));
    vst1q_s8(by, vandq_s8(vsubq_s8(now, last), vreinterpretq_s8_u8(far)));
    vst1q_s8(held, vbslq_s8(far, now, last));
    return bits_of(far);
}
EDGERNN_FN size_t far_16_i16(const int16_t *x, const int16_t *held, int32_t steps, size_t *large) {
    const uint16x8_t most = vdupq_n_u16((uint16_t)steps), half = vdupq_n_u16(32768);
    const uint16x8_t a = apart_i16(vld1q_s16(x), vld1q_s16(held)), b = apart_i16(vld1q_s16(x + 8), vld1q_s16(held + 8));
    *large |= bits_of(vcombine_u8(vmovn_u16(vcgeq_u16(a, half)), vmovn_u16(vcgeq_u16(b, half))));
    return bits_of(vcombine_u8(vmovn_u16(vcgtq_u16(a, most)), vmovn_u16(vcgtq_u16(b, most))));
}
EDGERNN_FN size_t hold_16_i16(int16_t *by, const int16_t *x, int16_t *held, int32_t steps) {
    uint8x8_t moved[2];
    for (int k = 0; k < 2; ++k) {
        const int16x8_t now = vld1q_s16(x + 8 * k), last = vld1q_s16(held + 8 * k);
        const uint16x8_t far = vcgtq_u16(apart_i16(now, last), vdupq_n_u16((uint16_t)steps));
        vst1q_s16(by + 8 * k, vandq_s16(vsubq_s16(now, last), vreinterpretq_s16_u16(far)));
        vst1q_s16(held + 8 * k, vbslq_s16(far, now, last));
        moved[k] = vmovn_u16(far);
    }
    return bits_of(vcombine_u8(moved[0], moved[1]));
}

#else

#define EDGERNN_MOVED(suffix, kind)                                                                                    \
    EDGERNN_FN size_t far_16_##suffix(const kind *x, const kind *held, int32_t steps, size_t *large) {                 \
        size_t moved = 0;                                                                                              \
        for (size_t i = 0; i < EDGERNN_LANES; ++i) {                                                                   \
            const int32_t by = x[i] - held[i];                                                                         \
            moved |= (size_t)(by > steps || -by > steps) << i;                                                         \
            *large |= (size_t)(by != (kind)by) << i;                                                                   \
        }                                                                                                              \
        return moved;                                                                                                  \
    }                                                                                                                  \
    EDGERNN_FN size_t hold_16_##suffix(kind *by, const kind *x, kind *held, int32_t steps) {                           \
        size_t large = 0, moved = far_16_##suffix(x, held, steps, &large);                                                 \
        for (size_t i = 0; i < EDGERNN_LANES; ++i) {                                                                   \
            by[i] = moved >> i & 1 ? (kind)(x[i] - held[i]) : 0;                                                       \
            if (moved >> i & 1) held[i] = x[i];                                                                        \
        }                                                                                                              \
        return moved;                                                                                                  \
    }
EDGERNN_MOVED(i8, int8_t)
EDGERNN_MOVED(i16, int16_t)
#undef EDGERNN_MOVED

#endif

#endif
