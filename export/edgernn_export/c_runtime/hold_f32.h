/* f32_hold: a where it differs from the last value by more than a threshold, or is NaN, else the last value. */
#ifndef EDGERNN_HOLD_F32_H
#define EDGERNN_HOLD_F32_H

#include "lanes.h"

#if defined(EDGERNN_AVX512)

EDGERNN_FN f32x16 f32_hold(f32x16 a, f32x16 last, float threshold) {
    const f32x16 size = _mm512_abs_ps(_mm512_sub_ps(a, last));
    return _mm512_mask_mov_ps(a, _mm512_cmp_ps_mask(size, _mm512_set1_ps(threshold), _CMP_LE_OQ), last);
}

#elif defined(EDGERNN_AVX2)

EDGERNN_FN __m256 eight_hold(__m256 a, __m256 last, __m256 threshold) {
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(a, last));
    return _mm256_blendv_ps(a, last, _mm256_cmp_ps(size, threshold, _CMP_LE_OQ));
}
EDGERNN_FN f32x16 f32_hold(f32x16 a, f32x16 last, float threshold) {
    const __m256 most = _mm256_set1_ps(threshold);
    a.lo = eight_hold(a.lo, last.lo, most);
    a.hi = eight_hold(a.hi, last.hi, most);
    return a;
}

#elif defined(EDGERNN_NEON)

EDGERNN_FN f32x16 f32_hold(f32x16 a, f32x16 last, float threshold) {
    for (int k = 0; k < 4; ++k) {
        const uint32x4_t near = vcleq_f32(vabdq_f32(a.val[k], last.val[k]), vdupq_n_f32(threshold));
        a.val[k] = vbslq_f32(near, last.val[k], a.val[k]);
    }
    return a;
}

#else

EDGERNN_FN f32x16 f32_hold(f32x16 a, f32x16 last, float threshold) {
    for (int i = 0; i < EDGERNN_LANES; ++i) {
        const float difference = a.at[i] - last.at[i], size = difference < 0 ? -difference : difference;
        a.at[i] = size <= threshold ? last.at[i] : a.at[i];
    }
    return a;
}

#endif

#endif
