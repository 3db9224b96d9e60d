/* A vector of float32 to int8 with one scale: inv = 127 / max |x|, q = round(x * inv), half to even.
 *
 * The bytes are written as q + EDGERNN_Q_SHIFT, which is what the instruction set's dot product takes.
 */
#ifndef EDGERNN_QUANTIZE_I8_H
#define EDGERNN_QUANTIZE_I8_H

#include "lanes.h"

#if defined(EDGERNN_AVX512)
#define EDGERNN_Q_SHIFT 128 /* vpdpbusd multiplies unsigned with signed bytes */
#else
#define EDGERNN_Q_SHIFT 0
#endif

/* Half to even for |a| < 2^22, without libm: the sum has no room for a fraction. */
EDGERNN_FN int32_t round_even(float a) {
    const float room = 12582912.0f;
    volatile float moved = a + room; /* no compiler may see through it */
    return (int32_t)(moved - room);
}

EDGERNN_FN float max_abs(const float *x, size_t n) {
    float most = 0;
    size_t i = 0;
    float lanes[EDGERNN_LANES];
    f32x16 top = f32_all(0);
    for (; i + EDGERNN_LANES <= n; i += EDGERNN_LANES) {
        const f32x16 a = f32_load(x + i);
        top = f32_max(top, f32_max(a, f32_sub(f32_all(0), a)));
    }
    f32_store(lanes, top);
    for (int k = 0; k < EDGERNN_LANES; ++k) most = lanes[k] > most ? lanes[k] : most;
    for (; i < n; ++i) {
        const float a = x[i] < 0 ? -x[i] : x[i];
        most = a > most ? a : most;
    }
    return most;
}

/* Returns the scale, max |x| / 127; 0 for a vector of zeros, whose bytes are zeros. q has room for n rounded up to 16. */
EDGERNN_FN float quantize_i8(uint8_t *q, const float *x, size_t n) {
    const float most = max_abs(x, n);
    const float inv = most > 0 ? 127.0f / most : 0.0f;
    size_t i = 0;
#if defined(EDGERNN_AVX512)
    for (; i + 16 <= n; i += 16) {
        const __m512i r = _mm512_maskz_cvtps_epi32(0xffff, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_set1_ps(inv)));
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm_xor_si128(_mm512_maskz_cvtepi32_epi8(0xffff, r), _mm_set1_epi8(-128)));
    }
#elif defined(EDGERNN_AVX2)
    for (; i + 16 <= n; i += 16) {
        const __m256 by = _mm256_set1_ps(inv);
        const __m256i a = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), by));
        const __m256i b = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8), by));
        const __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1)));
    }
#elif defined(EDGERNN_NEON)
    for (; i + 16 <= n; i += 16) {
        int16x4_t h[4];
        for (int k = 0; k < 4; ++k) h[k] = vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4 * (size_t)k), inv)));
        vst1q_s8((int8_t *)(void *)(q + i), vcombine_s8(vqmovn_s16(vcombine_s16(h[0], h[1])), vqmovn_s16(vcombine_s16(h[2], h[3]))));
    }
#endif
    for (; i < n; ++i) q[i] = (uint8_t)(round_even(x[i] * inv) + EDGERNN_Q_SHIFT);
    for (; i % 16; ++i) q[i] = (uint8_t)EDGERNN_Q_SHIFT;
    return most / 127.0f;
}

#endif
