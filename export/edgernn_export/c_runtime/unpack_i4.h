/* Unpacks sixteen bytes to two columns of sixteen weights of four bits: one from the low bits, one from the high. */
#ifndef EDGERNN_UNPACK_I4_H
#define EDGERNN_UNPACK_I4_H

#include "lanes.h"

typedef struct {
    f32x16 low, high;
} f32_pair;

#if defined(EDGERNN_AVX512)

EDGERNN_FN f32_pair f32_of_i4(const uint8_t *p) { /* a table lookup that uses the low four bits of the index */
    const __m512 known = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
    const __m512i each = _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i *)(const void *)p));
    f32_pair y;
    y.low = _mm512_maskz_permutexvar_ps(0xffff, each, known);
    y.high = _mm512_maskz_permutexvar_ps(0xffff, _mm512_maskz_srli_epi32(0xffff, each, 4), known);
    return y;
}

#elif defined(EDGERNN_AVX2)

EDGERNN_FN __m256 eight_low(__m256i a) {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(a, 28), 28));
}
EDGERNN_FN __m256 eight_high(__m256i a) { return _mm256_cvtepi32_ps(_mm256_srai_epi32(a, 4)); }
EDGERNN_FN f32_pair f32_of_i4(const uint8_t *p) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m256i lo = _mm256_cvtepi8_epi32(bytes), hi = _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8));
    f32_pair y;
    y.low.lo = eight_low(lo), y.low.hi = eight_low(hi);
    y.high.lo = eight_high(lo), y.high.hi = eight_high(hi);
    return y;
}

#elif defined(EDGERNN_NEON)

EDGERNN_FN f32x16 f32_of_s8(int8x16_t bytes) {
    const int16x8_t lo = vmovl_s8(vget_low_s8(bytes)), hi = vmovl_s8(vget_high_s8(bytes));
    f32x16 y;
    y.val[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo)));
    y.val[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo)));
    y.val[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi)));
    y.val[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)));
    return y;
}
EDGERNN_FN f32_pair f32_of_i4(const uint8_t *p) {
    const int8x16_t bytes = vreinterpretq_s8_u8(vld1q_u8(p));
    f32_pair y;
    y.low = f32_of_s8(vshrq_n_s8(vshlq_n_s8(bytes, 4), 4));
    y.high = f32_of_s8(vshrq_n_s8(bytes, 4));
    return y;
}

#else

EDGERNN_FN f32_pair f32_of_i4(const uint8_t *p) {
    f32_pair y;
    for (int i = 0; i < EDGERNN_LANES; ++i) {
        y.low.at[i] = (float)((p[i] & 15) ^ 8) - 8.0f;
        y.high.at[i] = (float)((p[i] >> 4) ^ 8) - 8.0f;
    }
    return y;
}

#endif

#endif
