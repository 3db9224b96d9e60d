/* y = W x + b of several positions in integers: some share each load of the weights (see affine_fixed.h).
 *
 * Position p of x is at p * width. The last group of a position reaches into the next one, where weights are zeros.
 */
#ifndef EDGERNN_AFFINE_FIXED_POSITIONS_H
#define EDGERNN_AFFINE_FIXED_POSITIONS_H

#include "affine_fixed.h"
#include "together.h"

/* The sums of a block of several positions, with two groups in flight; the next group is `far` bytes further. */
#define EDGERNN_SUMS(name, together, sums, zero, add, store, dot, read, kind)                                          \
    EDGERNN_FN void name(int32_t *sum, const int8_t *w, const kind *x, size_t groups, size_t far, size_t width) {      \
        sums a = zero(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                              \
        for (size_t twos = together == 4 ? groups / 2 : 0; twos; --twos, w += 2 * far, x += 8) {                       \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w, read(x + width));                                                                            \
            c = dot(c, w, read(x + 2 * width));                                                                        \
            d = dot(d, w, read(x + 3 * width));                                                                        \
            e = dot(e, w + far, read(x + 4));                                                                          \
            f = dot(f, w + far, read(x + width + 4));                                                                  \
            g = dot(g, w + far, read(x + 2 * width + 4));                                                              \
            h = dot(h, w + far, read(x + 3 * width + 4));                                                              \
        }                                                                                                              \
        for (size_t ones = together == 4 ? groups % 2 : groups; ones; --ones, w += far, x += 4) {                      \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w, read(x + width));                                                                            \
            if (together == 4) {                                                                                       \
                c = dot(c, w, read(x + 2 * width));                                                                    \
                d = dot(d, w, read(x + 3 * width));                                                                    \
            }                                                                                                          \
        }                                                                                                              \
        store(sum, add(a, e));                                                                                         \
        store(sum + 16, add(b, f));                                                                                    \
        if (together == 4) {                                                                                           \
            store(sum + 32, add(c, g));                                                                                \
            store(sum + 48, add(d, h));                                                                                \
        }                                                                                                              \
    }
EDGERNN_SUMS(sums_i8_together, EDGERNN_TOGETHER_i8, dots, dot_zero, dot_add, dot_store, dot_i8, dot_read_i8, int8_t)
EDGERNN_SUMS(sums_i16_together, EDGERNN_TOGETHER_i16, wide, wide_zero, wide_add, wide_store, dot_i16, wide_read, int16_t)
#undef EDGERNN_SUMS

#define EDGERNN_AFFINE(name, to, from, bits)                                                                           \
    EDGERNN_FN void name##_positions(to *y, const int8_t *w, const int32_t *bias, const int32_t *mantissa,             \
                                     const uint8_t *shift, int zero, const from *x, size_t blocks, size_t groups,      \
                                     size_t width, size_t rows, size_t positions) {                                    \
        const size_t some = EDGERNN_TOGETHER_##bits;                                                                   \
        for (; some > 1 && positions >= some; positions -= some, x += some * width, y += some * rows)                  \
            for (size_t k = blocks; k--;) {                                                                            \
                int32_t sum[4 * EDGERNN_LANES];                                                                        \
                sums_##bits##_together(sum, w + block_start(k, blocks, groups, 64), x, groups, block_far(k, blocks, 64),\
                                width);                                                                                \
                for (size_t p = 0; p < some; ++p)                                                                      \
                    name##_end(y + p * rows, sum + EDGERNN_LANES * p, bias, mantissa, shift, zero,                     \
                               EDGERNN_LANES * k);                                                                     \
            }                                                                                                          \
        for (; positions; --positions, x += width, y += rows)                                                          \
            name(y, w, bias, mantissa, shift, zero, x, blocks, groups);                                                \
    }
EDGERNN_AFFINE(affine_i8_to_i8, int8_t, int8_t, i8)
EDGERNN_AFFINE(affine_i8_to_i16, int16_t, int8_t, i8)
EDGERNN_AFFINE(affine_i16_to_i8, int8_t, int16_t, i16)
EDGERNN_AFFINE(affine_i16_to_i16, int16_t, int16_t, i16)
#undef EDGERNN_AFFINE

#endif
