/* y = W x + b of n streams in integers: some share each load of the weights (see affine_fixed.h).
 *
 * x and y of a stream are x_far and y_far elements behind those of the one before.
 */
#ifndef EDGERNN_AFFINE_FIXED_MANY_H
#define EDGERNN_AFFINE_FIXED_MANY_H

#include "affine_fixed_positions.h"
#include "dots_tile.h"

/* The blocks of a tile, where some streams share the loads of bytes or of 16 bits, and how many streams these are. */
#if EDGERNN_TILE_I8
#define EDGERNN_BLOCKS_i8 EDGERNN_TILE_I8
#define EDGERNN_SOME_i8 4
/* The sums of a tile, stream by stream, block by block. */
EDGERNN_FN void sums_i8_shared(int32_t *sum, const int8_t *w, const int8_t *x, size_t groups, size_t far,
                               size_t x_far) {
    dots a[4 * EDGERNN_TILE_I8];
    for (size_t i = 0; i < 4 * EDGERNN_TILE_I8; ++i) a[i] = dot_zero();
    dots_tile(a, w, (const uint8_t *)x, groups, far, x_far, 0x80808080u);
    for (size_t i = 0; i < 4 * EDGERNN_TILE_I8; ++i) dot_store(sum + EDGERNN_LANES * i, a[i]);
}
#else
#define EDGERNN_BLOCKS_i8 1
#define EDGERNN_SOME_i8 EDGERNN_TOGETHER_i8
#define sums_i8_shared sums_i8_together
#endif
#define EDGERNN_BLOCKS_i16 1
#define EDGERNN_SOME_i16 EDGERNN_TOGETHER_i16
#define sums_i16_shared sums_i16_together

#define EDGERNN_AFFINE(name, to, from, bits)                                                                           \
    EDGERNN_FN void name##_shared(to *y, const int8_t *w, const int32_t *bias, const int32_t *mantissa,                \
                                  const uint8_t *shift, int zero, const from *x, size_t k, size_t blocks,              \
                                  size_t groups, size_t y_far, size_t x_far) {                                         \
        int32_t sum[16 * EDGERNN_LANES];                                                                               \
        sums_##bits##_shared(sum, w + block_start(k, blocks, groups, 64), x, groups, block_far(k, blocks, 64), x_far); \
        for (size_t i = 0; i < EDGERNN_SOME_##bits * EDGERNN_BLOCKS_##bits; ++i)                                       \
            name##_end(y + i / EDGERNN_BLOCKS_##bits * y_far, sum + EDGERNN_LANES * i, bias, mantissa, shift, zero,    \
                       EDGERNN_LANES * (k + i % EDGERNN_BLOCKS_##bits));                                               \
    }                                                                                                                  \
    EDGERNN_FN void name##_many(to *y, const int8_t *w, const int32_t *bias, const int32_t *mantissa,                  \
                                const uint8_t *shift, int zero, const from *x, size_t blocks, size_t groups,           \
                                size_t y_far, size_t x_far, size_t n) {                                                \
        const size_t some = EDGERNN_SOME_##bits, done = some > 1 ? n / some * some : 0;                                \
        const size_t tiled = EDGERNN_BLOCKS_##bits == 4 ? blocks / 4 * 4 : blocks;                                     \
        for (size_t k = 0; done && k < tiled; k += EDGERNN_BLOCKS_##bits)                                              \
            for (size_t s = 0; s < done; s += some)                                                                    \
                name##_shared(y + s * y_far, w, bias, mantissa, shift, zero, x + s * x_far, k, blocks, groups, y_far,  \
                              x_far);                                                                                  \
        for (size_t k = tiled; k < blocks; ++k)                                                                        \
            for (size_t s = 0; s < done; ++s) {                                                                        \
                int32_t sum[EDGERNN_LANES];                                                                            \
                sums_##bits(sum, w + 64 * k * groups, x + s * x_far, groups, 64);                                      \
                name##_end(y + s * y_far, sum, bias, mantissa, shift, zero, EDGERNN_LANES * k);                        \
            }                                                                                                          \
        for (size_t s = done; s < n; ++s)                                                                              \
            name(y + s * y_far, w, bias, mantissa, shift, zero, x + s * x_far, blocks, groups);                        \
    }
EDGERNN_AFFINE(affine_i8_to_i8, int8_t, int8_t, i8)
EDGERNN_AFFINE(affine_i8_to_i16, int16_t, int8_t, i8)
EDGERNN_AFFINE(affine_i16_to_i8, int8_t, int16_t, i16)
EDGERNN_AFFINE(affine_i16_to_i16, int16_t, int16_t, i16)
#undef EDGERNN_AFFINE

#endif
