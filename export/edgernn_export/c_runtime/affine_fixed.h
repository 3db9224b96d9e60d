/* y = W x + b in integers: exact sums in 32 bits, then one factor per row rescales them to y.
 *
 * W is packed as in affine_i8.h. The elements of x up to the next multiple of 4 are multiplied with zeros. The scale of
 * `bias` is that of x times that of the row; it includes the contribution of x's zero point. For bytes, EDGERNN_Q_SHIFT
 * times the sum of the row's weights is subtracted from it, modulo 2^32.
 */
#ifndef EDGERNN_AFFINE_FIXED_H
#define EDGERNN_AFFINE_FIXED_H

#include "dot_i16.h"
#include "dot_i8.h"
#include "fixed.h"
#include "rows.h"

#if !defined(EDGERNN_BY_ROWS)
/* The sums of a block, with several groups of inputs in flight; the next group is `far` bytes further. */
#define EDGERNN_SUMS(name, sums, zero, add, store, dot, read, kind)                                                    \
    EDGERNN_FN void name(int32_t *sum, const int8_t *w, const kind *x, size_t groups, size_t far) {                    \
        sums a = zero(), b = a, c = a, d = a;                                                                          \
        for (size_t fours = EDGERNN_FEW ? 0 : groups / 4; fours; --fours, w += 4 * far, x += 16) {                     \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w + far, read(x + 4));                                                                          \
            c = dot(c, w + 2 * far, read(x + 8));                                                                      \
            d = dot(d, w + 3 * far, read(x + 12));                                                                     \
        }                                                                                                              \
        for (size_t ones = EDGERNN_FEW ? groups : groups % 4; ones; --ones, w += far, x += 4) a = dot(a, w, read(x));  \
        store(sum, add(add(a, b), add(c, d)));                                                                         \
    }
EDGERNN_SUMS(sums_i8, dots, dot_zero, dot_add, dot_store, dot_i8, dot_read_i8, int8_t)
EDGERNN_SUMS(sums_i16, wide, wide_zero, wide_add, wide_store, dot_i16, wide_read, int16_t)
#undef EDGERNN_SUMS
#endif

/* The sums of four blocks side by side: together, with two groups in flight, where there are enough registers. `below` is
 * that of dot_i8.h. */
EDGERNN_FN int32_t sums_i8_below(const int8_t *x, size_t groups) { return dot_below((const uint8_t *)x, groups); }
EDGERNN_FN int32_t sums_i16_below(const int16_t *x, size_t groups) {
    (void)x, (void)groups;
    return 0;
}
#if defined(EDGERNN_AVX512) || defined(EDGERNN_DOTPROD)
#define EDGERNN_SUMS(name, one, sums, zero, add, store, dot, read, kind)                                               \
    EDGERNN_FN void name(int32_t *sum, const int8_t *w, const kind *x, int32_t below, size_t groups) {                 \
        sums a = zero(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                              \
        (void)below;                                                                                                   \
        for (size_t twos = groups / 2; twos; --twos, w += 512, x += 8) {                                               \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w + 64, read(x));                                                                               \
            c = dot(c, w + 128, read(x));                                                                              \
            d = dot(d, w + 192, read(x));                                                                              \
            e = dot(e, w + 256, read(x + 4));                                                                          \
            f = dot(f, w + 320, read(x + 4));                                                                          \
            g = dot(g, w + 384, read(x + 4));                                                                          \
            h = dot(h, w + 448, read(x + 4));                                                                          \
        }                                                                                                              \
        if (groups % 2) {                                                                                              \
            a = dot(a, w, read(x));                                                                                    \
            b = dot(b, w + 64, read(x));                                                                               \
            c = dot(c, w + 128, read(x));                                                                              \
            d = dot(d, w + 192, read(x));                                                                              \
        }                                                                                                              \
        store(sum, add(a, e));                                                                                         \
        store(sum + 16, add(b, f));                                                                                    \
        store(sum + 32, add(c, g));                                                                                    \
        store(sum + 48, add(d, h));                                                                                    \
    }
#else
#define EDGERNN_SUMS(name, one, sums, zero, add, store, dot, read, kind)                                               \
    EDGERNN_FN void name(int32_t *sum, const int8_t *w, const kind *x, int32_t below, size_t groups) {                 \
        (void)below;                                                                                                   \
        for (size_t k = 0; k < 4; ++k) one(sum + 16 * k, w + 64 * k, x, groups, 256);                                  \
    }
#endif
#if defined(EDGERNN_AVX2)
EDGERNN_FN void sums_i8_four(int32_t *sum, const int8_t *w, const int8_t *x, int32_t below, size_t groups) {
    const int32_t none[EDGERNN_LANES] = {0};
    dots a = dot_begin_many(none, below), b = a, c = a, d = a;
    for (; groups; --groups, w += 256, x += 4) {
        const dot_four four = dot_read_many_i8(x);
        a = dot_i8_many(a, w, four);
        b = dot_i8_many(b, w + 64, four);
        c = dot_i8_many(c, w + 128, four);
        d = dot_i8_many(d, w + 192, four);
    }
    dot_store(sum, a);
    dot_store(sum + 16, b);
    dot_store(sum + 32, c);
    dot_store(sum + 48, d);
}
#else
EDGERNN_SUMS(sums_i8_four, sums_i8, dots, dot_zero, dot_add, dot_store, dot_i8, dot_read_i8, int8_t)
#endif
EDGERNN_SUMS(sums_i16_four, sums_i16, wide, wide_zero, wide_add, wide_store, dot_i16, wide_read, int16_t)
#undef EDGERNN_SUMS

#if !defined(EDGERNN_BY_ROWS)
/* The sums of a sparse block, one of `beside` side by side; `index` holds its groups of x (see blocks.h). One group at a
 * time is enough, because the next block does not wait for this one. */
#define EDGERNN_SUMS(name, sums, zero, store, dot, read, kind)                                                         \
    EDGERNN_FN void name(int32_t *sum, const int8_t *w, const uint16_t *index, const kind *x, size_t groups,           \
                         size_t beside) {                                                                              \
        sums a = zero();                                                                                               \
        for (; groups; --groups, w += 64 * beside, index += beside) a = dot(a, w, read(x + 4 * (size_t)*index));       \
        store(sum, a);                                                                                                 \
    }
EDGERNN_SUMS(sums_i8_sparse, dots, dot_zero, dot_store, dot_i8, dot_read_i8, int8_t)
EDGERNN_SUMS(sums_i16_sparse, wide, wide_zero, wide_store, dot_i16, wide_read, int16_t)
#undef EDGERNN_SUMS
#endif

/* The kernels, dense and sparse, for inputs and results of 8 or 16 bits. blocks: rows / 16, groups: inputs / 4, both
 * rounded up. */
#define EDGERNN_AFFINE(name, to, make, store, from, sums)                                                              \
    EDGERNN_FN void name##_end(to *y, const int32_t *sum, const int32_t *bias, const int32_t *mantissa,                \
                               const uint8_t *shift, int zero, size_t at) {                                            \
        for (size_t r = 0; r < EDGERNN_LANES; r += EDGERNN_AT_ONCE, at += EDGERNN_AT_ONCE)                             \
            store(y + at, make(rescale_each(q_add(q_i32(sum + r), q_i32(bias + at)), mantissa + at, shift + at),       \
                               zero));                                                                                 \
    }                                                                                                                  \
    EDGERNN_FN void name(to *y, const int8_t *w, const int32_t *bias, const int32_t *mantissa, const uint8_t *shift,   \
                         int zero, const from *x, size_t blocks, size_t groups) {                                      \
        const int32_t below = blocks < 4 ? 0 : sums##_below(x, groups);                                                \
        int32_t sum[4 * EDGERNN_LANES];                                                                                \
        size_t at = 0;                                                                                                 \
        for (size_t some; blocks; blocks -= some, w += 64 * groups * some) {                                           \
            some = blocks < 4 ? 1 : 4;                                                                                 \
            if (some == 4)                                                                                             \
                sums##_four(sum, w, x, below, groups);                                                                 \
            else                                                                                                       \
                sums(sum, w, x, groups, 64);                                                                           \
            for (size_t k = 0; k < some; ++k, at += EDGERNN_LANES)                                                     \
                name##_end(y, sum + EDGERNN_LANES * k, bias, mantissa, shift, zero, at);                               \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void name##_sparse(to *y, const int8_t *w, const uint16_t *index, const uint32_t *starts,               \
                                  const uint16_t *order, const int32_t *bias, const int32_t *mantissa,                 \
                                  const uint8_t *shift, int zero, const from *x, size_t blocks) {                      \
        int32_t sum[EDGERNN_LANES];                                                                                    \
        for (size_t some; blocks; blocks -= some, ++starts) {                                                          \
            const size_t first = starts[0], kept = starts[1] - first;                                                  \
            some = blocks < 4 ? 1 : 4;                                                                                 \
            for (size_t k = 0; k < some; ++k, ++order) {                                                               \
                sums##_sparse(sum, w + 64 * (first + k), index + first + k, x, kept / some, some);                     \
                name##_end(y, sum, bias, mantissa, shift, zero, EDGERNN_LANES * (size_t)*order);                       \
            }                                                                                                          \
        }                                                                                                              \
    }
EDGERNN_AFFINE(affine_i8_to_i8, int8_t, to_i8, q_store_i8, int8_t, sums_i8)
EDGERNN_AFFINE(affine_i8_to_i16, int16_t, to_i16, q_store_i16, int8_t, sums_i8)
EDGERNN_AFFINE(affine_i16_to_i8, int8_t, to_i8, q_store_i8, int16_t, sums_i16)
EDGERNN_AFFINE(affine_i16_to_i16, int16_t, to_i16, q_store_i16, int16_t, sums_i16)
#undef EDGERNN_AFFINE

#endif
