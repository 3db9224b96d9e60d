/* y = W x + b with int8 weights and activations, and exact integer sums.
 *
 * W is packed in blocks of 16 rows by 4 inputs: block, group of inputs, row, input; inputs are padded with zeros to a
 * multiple of 4. One scale per row; `sums` has -128 times the sum of each row, for instructions that take activations
 * as unsigned bytes.
 */
#ifndef EDGERNN_AFFINE_I8_H
#define EDGERNN_AFFINE_I8_H

#include "lanes.h"
#include "quantize_i8.h"

/* The sums of one block: sum[r] = the sum over inputs of w[r][i] * q[i]. */
EDGERNN_FN void affine_i8_sums(int32_t *sum, const int8_t *w, const uint8_t *q, const int32_t *sums, size_t groups) {
#if defined(EDGERNN_AVX512)
    __m512i a = _mm512_loadu_si512((const void *)sums), b = _mm512_setzero_si512(), c = b, d = b;
    for (size_t fours = groups / 4; fours; --fours, w += 256, q += 16) {
        int32_t x[4];
        memcpy(x, q, sizeof x);
        a = _mm512_dpbusd_epi32(a, _mm512_set1_epi32(x[0]), _mm512_loadu_si512((const void *)w));
        b = _mm512_dpbusd_epi32(b, _mm512_set1_epi32(x[1]), _mm512_loadu_si512((const void *)(w + 64)));
        c = _mm512_dpbusd_epi32(c, _mm512_set1_epi32(x[2]), _mm512_loadu_si512((const void *)(w + 128)));
        d = _mm512_dpbusd_epi32(d, _mm512_set1_epi32(x[3]), _mm512_loadu_si512((const void *)(w + 192)));
    }
    for (size_t ones = groups % 4; ones; --ones, w += 64, q += 4) {
        int32_t x;
        memcpy(&x, q, sizeof x);
        a = _mm512_dpbusd_epi32(a, _mm512_set1_epi32(x), _mm512_loadu_si512((const void *)w));
    }
    _mm512_storeu_si512((void *)sum, _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d)));
#elif defined(EDGERNN_AVX2)
    /* Widened to 16 bits, since pair sums of bytes saturate; each row has two lanes until the end. */
    __m256i a[4];
    (void)sums;
    for (int k = 0; k < 4; ++k) a[k] = _mm256_setzero_si256();
    for (size_t g = 0; g < groups; ++g, w += 64, q += 4) {
        int32_t four;
        memcpy(&four, q, sizeof four);
        const __m256i x = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
        for (int k = 0; k < 4; ++k) {
            const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(w + 16 * k));
            a[k] = _mm256_add_epi32(a[k], _mm256_madd_epi16(_mm256_cvtepi8_epi16(bytes), x));
        }
    }
    for (int k = 0; k < 4; k += 2) {
        const __m256i pairs = _mm256_permute4x64_epi64(_mm256_hadd_epi32(a[k], a[k + 1]), 0xd8);
        _mm256_storeu_si256((__m256i *)(void *)(sum + 4 * k), pairs);
    }
#elif defined(EDGERNN_DOTPROD)
    int32x4_t a[4];
    (void)sums;
    for (int k = 0; k < 4; ++k) a[k] = vdupq_n_s32(0);
    for (size_t g = 0; g < groups; ++g, w += 64, q += 4) {
        int32_t four;
        memcpy(&four, q, sizeof four);
        const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(four));
        for (int k = 0; k < 4; ++k) a[k] = vdotq_s32(a[k], vld1q_s8(w + 16 * k), x);
    }
    for (int k = 0; k < 4; ++k) vst1q_s32(sum + 4 * k, a[k]);
#elif defined(EDGERNN_NEON)
    int32x4_t a[8];
    (void)sums;
    for (int k = 0; k < 8; ++k) a[k] = vdupq_n_s32(0);
    for (size_t g = 0; g < groups; ++g, w += 64, q += 4) {
        int32_t four;
        memcpy(&four, q, sizeof four);
        const int8x8_t x = vreinterpret_s8_s32(vdup_n_s32(four));
        for (int k = 0; k < 8; ++k) a[k] = vpadalq_s16(a[k], vmull_s8(vld1_s8(w + 8 * k), x));
    }
    for (int k = 0; k < 4; ++k) vst1q_s32(sum + 4 * k, vpaddq_s32(a[2 * k], a[2 * k + 1]));
#else
    (void)sums;
    for (int r = 0; r < EDGERNN_LANES; ++r) sum[r] = 0;
    for (size_t g = 0; g < groups; ++g, w += 64, q += 4)
        for (int r = 0; r < EDGERNN_LANES; ++r)
            for (int i = 0; i < 4; ++i) sum[r] += (int32_t)w[4 * r + i] * (int32_t)(int8_t)q[i];
#endif
}

/* q and step: from quantize_i8. blocks: rows / 16, groups: inputs / 4, both rounded up. */
EDGERNN_FN void affine_i8(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                      const uint8_t *q, float step, size_t blocks, size_t groups) {
    int32_t sum[EDGERNN_LANES];
    for (size_t k = 0; k < 16 * blocks; k += 16, w += 64 * groups) {
        affine_i8_sums(sum, w, q, sums + k, groups);
        const f32x16 factor = f32_mul(f32_all(step), f32_load(scale + k));
        const f32x16 scaled = f32_mul(f32_of_i32(sum), factor);
        f32_store(y + k, bias ? f32_add(scaled, f32_load(bias + k)) : scaled);
    }
}

#endif
