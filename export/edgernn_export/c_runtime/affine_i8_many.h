/* y = W x + b of n streams with int8 weights and activations (see affine_i8.h): some streams share each load of the
 * weights. Sums of integers are exact, so their order is free.
 *
 * q and y of a stream are q_far bytes and y_far numbers behind those of the one before; step holds the scale of each.
 */
#ifndef EDGERNN_AFFINE_I8_MANY_H
#define EDGERNN_AFFINE_I8_MANY_H

#include "affine_i8_positions.h"
#include "dots_tile.h"

EDGERNN_FN void affine_i8_many(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                               const uint8_t *q, const float *step, size_t blocks, size_t groups, size_t y_far,
                               size_t q_far, size_t n) {
    size_t s = 0;
#if EDGERNN_TOGETHER_I32 > 1
    const size_t some = EDGERNN_TOGETHER_I32, whole = n / some * some;
    size_t k = 0;
#if defined(EDGERNN_AVX512)
    for (; k < blocks / 4 * 4; k += 4)
        for (s = 0; s < whole; s += 4) {
            dots sum[16];
            for (size_t b = 0; b < 4; ++b)
                for (size_t t = 0; t < 4; ++t) sum[4 * t + b] = dot_begin(sums + 16 * (k + b));
            dots_tile(sum, w + 64 * k * groups, q + s * q_far, groups, q_far, 0);
            for (size_t t = 0; t < 4; ++t)
                for (size_t b = 0; b < 4; ++b)
                    affine_i8_end(y + (s + t) * y_far, sum[4 * t + b], scale, bias, step[s + t], 16 * (k + b));
        }
#endif
    for (; k < blocks; ++k)
        for (s = 0; s < whole; s += some)
            affine_i8_together(y + s * y_far, w + block_start(k, blocks, groups, 64), scale, bias, sums, q + s * q_far,
                               step + s, 16 * k, block_far(k, blocks, 64), groups, q_far, y_far);
    s = whole;
#endif
    for (; s < n; ++s) affine_i8(y + s * y_far, w, scale, bias, sums, q + s * q_far, step[s], blocks, groups);
}

#endif
