/* Eight lanes of float32, as compilers of the GNU kind have them; where there are no vectors, a single one. */
#ifndef EDGERNN_EIGHTS_H
#define EDGERNN_EIGHTS_H

#include "blocks.h"

#if defined(__GNUC__)
#define EDGERNN_ALONE __restrict__
#else
#define EDGERNN_ALONE
#endif

#if defined(__GNUC__) && (defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_NEON))
#define EDGERNN_F32X8 8
typedef float f32x8 __attribute__((vector_size(32), aligned(4), may_alias));
#else
#define EDGERNN_F32X8 1
typedef float f32x8;
#endif

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2)
EDGERNN_FN float eights_sum(const f32x8 *p) {
    const __m256 a = _mm256_loadu_ps((const float *)p);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#elif EDGERNN_F32X8 == 8
EDGERNN_FN float eights_sum(const f32x8 *p) {
    const float *const a = (const float *)p;
    const float32x4_t four = vaddq_f32(vld1q_f32(a), vld1q_f32(a + 4));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(vpadd_f32(two, two), 0);
}
#else
EDGERNN_FN float eights_sum(const f32x8 *p) { return *p; }
#endif

#endif
