/* y = W x + b of n streams in integers: some share each load of the weights (see affine_fixed.h).
 *
 * x and y of a stream are x_far and y_far elements behind those of the one before.
 */
#ifndef EDGERNN_AFFINE_FIXED_MANY_H
#define EDGERNN_AFFINE_FIXED_MANY_H

#include "affine_fixed_positions.h"
#include "dots_tile.h"

/* The sums of four blocks and four streams where bytes have tiles: stream by stream, block by block. */
#if defined(EDGERNN_AVX512)
#define EDGERNN_TILES_i8 1
EDGERNN_FN void sums_i8_tile(int32_t *sum, const int8_t *w, const int8_t *x, size_t groups, size_t far) {
    dots a[16];
    for (size_t k = 0; k < 16; ++k) a[k] = dot_zero();
    dots_tile(a, w, (const uint8_t *)x, groups, far, 0x80808080u);
    for (size_t k = 0; k < 16; ++k) dot_store(sum + 16 * k, a[k]);
}
#else
#define EDGERNN_TILES_i8 0
#define sums_i8_tile(sum, w, x, groups, far) ((void)0)
#endif
#define EDGERNN_TILES_i16 0
#define sums_i16_tile(sum, w, x, groups, far) ((void)0)

#define EDGERNN_AFFINE(name, to, from, bits)                                                                           \
    EDGERNN_FN void name##_many(to *y, const int8_t *w, const int32_t *bias, const int32_t *mantissa,                  \
                                const uint8_t *shift, int zero, const from *x, size_t blocks, size_t groups,           \
                                size_t y_far, size_t x_far, size_t n) {                                                \
        const size_t some = EDGERNN_TOGETHER_I32, whole = some > 1 ? n / some * some : 0;                              \
        size_t k = 0;                                                                                                  \
        int32_t sum[16 * EDGERNN_LANES];                                                                               \
        for (; EDGERNN_TILES_##bits && k < blocks / 4 * 4; k += 4)                                                     \
            for (size_t s = 0; s < whole; s += 4) {                                                                    \
                sums_##bits##_tile(sum, w + 64 * k * groups, x + s * x_far, groups, x_far);                            \
                for (size_t t = 0; t < 16; ++t)                                                                        \
                    name##_end(y + (s + t / 4) * y_far, sum + EDGERNN_LANES * t, bias, mantissa, shift, zero,          \
                               EDGERNN_LANES * (k + t % 4));                                                           \
            }                                                                                                          \
        for (; whole && k < blocks; ++k)                                                                               \
            for (size_t s = 0; s < whole; s += some) {                                                                 \
                sums_##bits##_together(sum, w + block_start(k, blocks, groups, 64), x + s * x_far, groups,             \
                                       block_far(k, blocks, 64), x_far);                                               \
                for (size_t t = 0; t < some; ++t)                                                                      \
                    name##_end(y + (s + t) * y_far, sum + EDGERNN_LANES * t, bias, mantissa, shift, zero,              \
                               EDGERNN_LANES * k);                                                                     \
            }                                                                                                          \
        for (size_t s = whole; s < n; ++s)                                                                             \
            name(y + s * y_far, w, bias, mantissa, shift, zero, x + s * x_far, blocks, groups);                        \
    }
EDGERNN_AFFINE(affine_i8_to_i8, int8_t, int8_t, i8)
EDGERNN_AFFINE(affine_i8_to_i16, int16_t, int8_t, i8)
EDGERNN_AFFINE(affine_i16_to_i8, int8_t, int16_t, i16)
EDGERNN_AFFINE(affine_i16_to_i16, int16_t, int16_t, i16)
#undef EDGERNN_AFFINE

#endif
