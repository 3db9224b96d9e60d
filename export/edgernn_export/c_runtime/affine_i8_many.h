/* y = W x + b of n streams with int8 weights and activations (see affine_i8.h): some streams share each load of the
 * weights. Sums of integers are exact, so their order is free.
 *
 * q and y of a stream are q_far bytes and y_far numbers behind those of the one before; step holds the scale of each.
 */
#ifndef EDGERNN_AFFINE_I8_MANY_H
#define EDGERNN_AFFINE_I8_MANY_H

#include "affine_i8_positions.h"
#include "dots_tile.h"

#if EDGERNN_TILE_I8
/* A tile: block k and those beside it, for four streams. */
EDGERNN_FN void affine_i8_tile(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                               const uint8_t *q, const float *step, size_t k, size_t blocks, size_t groups,
                               size_t y_far, size_t q_far) {
    dots sum[4 * EDGERNN_TILE_I8];
    for (size_t i = 0; i < 4 * EDGERNN_TILE_I8; ++i) sum[i] = dot_begin(sums + 16 * (k + i % EDGERNN_TILE_I8));
    dots_tile(sum, w + block_start(k, blocks, groups, 64), q, groups, block_far(k, blocks, 64), q_far, 0);
    for (size_t i = 0; i < 4 * EDGERNN_TILE_I8; ++i) {
        const size_t t = i / EDGERNN_TILE_I8;
        affine_i8_end(y + t * y_far, sum[i], scale, bias, step[t], 16 * (k + i % EDGERNN_TILE_I8));
    }
}
#endif

EDGERNN_FN void affine_i8_many(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                               const uint8_t *q, const float *step, size_t blocks, size_t groups, size_t y_far,
                               size_t q_far, size_t n) {
    size_t done = 0;
#if EDGERNN_TILE_I8
    const size_t tiled = EDGERNN_TILE_I8 == 4 ? blocks / 4 * 4 : blocks;
    done = n / 4 * 4;
    for (size_t k = 0; k < tiled; k += EDGERNN_TILE_I8)
        for (size_t s = 0; s < done; s += 4)
            affine_i8_tile(y + s * y_far, w, scale, bias, sums, q + s * q_far, step + s, k, blocks, groups, y_far,
                           q_far);
    for (size_t k = tiled; k < blocks; ++k)
        for (size_t s = 0; s < done; ++s)
            affine_i8_end(y + s * y_far, affine_i8_block(w + 64 * k * groups, q + s * q_far, sums + 16 * k, groups, 64),
                          scale, bias, step[s], 16 * k);
#elif EDGERNN_TOGETHER_i8 > 1
    const size_t some = EDGERNN_TOGETHER_i8;
    done = n / some * some;
    for (size_t k = 0; k < blocks; ++k)
        for (size_t s = 0; s < done; s += some)
            affine_i8_together(y + s * y_far, w + block_start(k, blocks, groups, 64), scale, bias, sums, q + s * q_far,
                               step + s, 16 * k, block_far(k, blocks, 64), groups, q_far, y_far);
#endif
    for (size_t s = done; s < n; ++s)
        affine_i8(y + s * y_far, w, scale, bias, sums, q + s * q_far, step[s], blocks, groups);
}

#endif
