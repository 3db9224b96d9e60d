/* y = W x + b in integers: exact sums in 32 bits, and for each row a factor that takes them to the grid of y.
 *
 * W is packed as in affine_i8.h; what lies behind x up to a multiple of 4 meets weights that are zero. `bias` is in
 * steps of x times those of the row, and holds what the zero of x adds to the sum.
 */
#ifndef EDGERNN_AFFINE_FIXED_H
#define EDGERNN_AFFINE_FIXED_H

#include "dot_i16.h"
#include "dot_i8.h"
#include "fixed.h"

/* The sums of a block, `far` bytes between one group of inputs and the next, several groups in flight. */
#define EDGERNN_SUMS(name, sums, zero, add, store, dot, read, kind)                                                    \
    EDGERNN_FN void name(int32_t *sum, sums a, const int8_t *w, const kind *x, size_t groups, size_t far) {            \
        sums b = zero(), c = b, d = b;                                                                                 \
        for (size_t fours = groups / 4; fours; --fours, w += 4 * far, x += 16) {                                       \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w + far, read(x + 4));                                                                          \
            c = dot(c, w + 2 * far, read(x + 8));                                                                      \
            d = dot(d, w + 3 * far, read(x + 12));                                                                     \
        }                                                                                                              \
        for (size_t ones = groups % 4; ones; --ones, w += far, x += 4) a = dot(a, w, read(x));                         \
        store(sum, add(add(a, b), add(c, d)));                                                                         \
    }
EDGERNN_SUMS(sums_i8, dots, dot_zero, dot_add, dot_store, dot_i8, dot_read_i8, int8_t)
EDGERNN_SUMS(sums_i16, wide, wide_zero, wide_add, wide_store, dot_i16, wide_read, int16_t)
#undef EDGERNN_SUMS

#if EDGERNN_Q_SHIFT
#define EDGERNN_BEGIN dot_begin(less + 16 * k)
#else
#define EDGERNN_BEGIN dot_zero()
#endif

/* The four kernels: of 8 or 16 bits what is read, and what is made; `less` is for bytes, as in dot_i8.h. */
#define EDGERNN_AFFINE(name, to, make, from, begin, sums)                                                              \
    EDGERNN_FN void name(to *y, const int8_t *w, const int32_t *bias, const int32_t *less, const int32_t *mantissa,    \
                         const uint8_t *shift, int zero, const from *x, size_t blocks, size_t groups) {                \
        (void)less;                                                                                                    \
        for (size_t k = 0; k < blocks; ++k) {                                                                          \
            const int beside = k < blocks / 4 * 4; /* three others */                                                  \
            const size_t start = beside ? k / 4 * 256 * groups + k % 4 * 64 : 64 * groups * k;                         \
            int32_t sum[EDGERNN_LANES];                                                                                \
            sums(sum, begin, w + start, x, groups, beside ? 256 : 64);                                                 \
            for (size_t r = 16 * k; r < 16 * k + 16; ++r)                                                              \
                y[r] = make(rescale(sum[r % 16] + bias[r], mantissa[r], shift[r]), zero);                              \
        }                                                                                                              \
    }
EDGERNN_AFFINE(affine_i8_to_i8, int8_t, to_i8, int8_t, EDGERNN_BEGIN, sums_i8)
EDGERNN_AFFINE(affine_i8_to_i16, int16_t, to_i16, int8_t, EDGERNN_BEGIN, sums_i8)
EDGERNN_AFFINE(affine_i16_to_i8, int8_t, to_i8, int16_t, wide_zero(), sums_i16)
EDGERNN_AFFINE(affine_i16_to_i16, int16_t, to_i16, int16_t, wide_zero(), sums_i16)
#undef EDGERNN_AFFINE
#undef EDGERNN_BEGIN

#endif
