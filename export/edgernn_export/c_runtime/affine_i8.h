/* y = W x + b with int8 weights and activations, and exact integer sums.
 *
 * W is packed in blocks of 16 rows by 4 inputs, four blocks side by side (see blocks.h); inputs are padded with zeros to
 * a multiple of 4. One scale per row; `sums` holds -128 times the sum of each row.
 */
#ifndef EDGERNN_AFFINE_I8_H
#define EDGERNN_AFFINE_I8_H

#include "dot_i8.h"
#include "quantize_i8.h"
#include "rows.h"

EDGERNN_FN f32x16 f32_of_dots(dots a) {
#if defined(EDGERNN_AVX2)
    f32x16 y;
    y.lo = _mm256_cvtepi32_ps(a.at[0]);
    y.hi = _mm256_cvtepi32_ps(a.at[1]);
    return y;
#else
    int32_t sum[EDGERNN_LANES];
    dot_store(sum, a);
    return f32_of_i32(sum);
#endif
}

/* The sum of each row of a block, with several groups in flight; the next group is `far` bytes further. */
EDGERNN_FN dots affine_i8_block(const int8_t *w, const uint8_t *q, const int32_t *sums, size_t groups, size_t far) {
#if defined(EDGERNN_BY_ROWS)
    dots a;
    (void)sums;
    sums_i8(a.at, w, (const int8_t *)q, groups, far);
    return a;
#else
    dots a = dot_begin(sums), b = dot_zero(), c = b, d = b;
    for (size_t fours = EDGERNN_FEW ? 0 : groups / 4; fours; --fours, w += 4 * far, q += 16) {
        a = dot_i8(a, w, dot_read(q));
        b = dot_i8(b, w + far, dot_read(q + 4));
        c = dot_i8(c, w + 2 * far, dot_read(q + 8));
        d = dot_i8(d, w + 3 * far, dot_read(q + 12));
    }
    for (size_t ones = EDGERNN_FEW ? groups : groups % 4; ones; --ones, w += far, q += 4) a = dot_i8(a, w, dot_read(q));
    return dot_add(dot_add(a, b), dot_add(c, d));
#endif
}

/* The integer sums of a block as floats: multiplied with both scales, plus the bias. */
EDGERNN_FN void affine_i8_end(float *y, dots sum, const float *scale, const float *bias, float step, size_t at) {
    const f32x16 scaled = f32_mul(f32_of_dots(sum), f32_mul(f32_all(step), f32_load(scale + at)));
    f32_store(y + at, bias ? f32_add(scaled, f32_load(bias + at)) : scaled);
}

/* Four blocks side by side; `below` is dot_below of q. */
EDGERNN_FN void affine_i8_four(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                               const uint8_t *q, int32_t below, float step, size_t at, size_t groups) {
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_DOTPROD)
    dots a = dot_begin_many(sums + at, below), b = dot_begin_many(sums + at + 16, below);
    dots c = dot_begin_many(sums + at + 32, below), d = dot_begin_many(sums + at + 48, below);
#if defined(EDGERNN_AVX512) /* and two groups at a time, because a sum waits for the one before */
    dots e = dot_zero(), f = e, g = e, h = e;
    for (size_t twos = groups / 2; twos; --twos, w += 512, q += 8) {
        const dot_four first = dot_read(q), second = dot_read(q + 4);
        for (int k = 0; k < 512; k += 64) EDGERNN_AHEAD(w, 2048 + k);
        a = dot_i8(a, w, first);
        b = dot_i8(b, w + 64, first);
        c = dot_i8(c, w + 128, first);
        d = dot_i8(d, w + 192, first);
        e = dot_i8(e, w + 256, second);
        f = dot_i8(f, w + 320, second);
        g = dot_i8(g, w + 384, second);
        h = dot_i8(h, w + 448, second);
    }
    groups %= 2;
    a = dot_add(a, e), b = dot_add(b, f), c = dot_add(c, g), d = dot_add(d, h);
#endif
    for (; groups; --groups, w += 256, q += 4) {
        const dot_four four = dot_read_many(q);
#if defined(EDGERNN_AVX2)
        for (int k = 0; k < 256; k += 64) EDGERNN_AHEAD(w, 2048 + k);
#endif
        a = dot_i8_many(a, w, four);
        b = dot_i8_many(b, w + 64, four);
        c = dot_i8_many(c, w + 128, four);
        d = dot_i8_many(d, w + 192, four);
    }
    affine_i8_end(y, a, scale, bias, step, at);
    affine_i8_end(y, b, scale, bias, step, at + 16);
    affine_i8_end(y, c, scale, bias, step, at + 32);
    affine_i8_end(y, d, scale, bias, step, at + 48);
#else /* registers are enough for one at a time only */
    (void)below;
    for (size_t k = 0; k < 64; k += 16)
        affine_i8_end(y, affine_i8_block(w + 4 * k, q, sums + at + k, groups, 256), scale, bias, step, at + k);
#endif
}

/* q and step come from quantize_i8. blocks: rows / 16, groups: inputs / 4, both rounded up. */
EDGERNN_FN void affine_i8(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                          const uint8_t *q, float step, size_t blocks, size_t groups) {
    const int32_t below = blocks < 4 ? 0 : dot_below(q, groups);
    size_t at = 0;
    for (size_t fours = blocks / 4; fours; --fours, at += 64)
        affine_i8_four(y, w + 4 * at * groups, scale, bias, sums, q, below, step, at, groups);
    for (size_t ones = blocks % 4; ones; --ones, at += 16)
        affine_i8_end(y, affine_i8_block(w + 4 * at * groups, q, sums + at, groups, 64), scale, bias, step, at);
}

EDGERNN_FN void affine_i8_sparse(float *y, const int8_t *w, const uint16_t *index, const uint32_t *starts,
                                 const uint16_t *order, const float *scale, const float *bias, const int32_t *sums,
                                 const uint8_t *q, float step, size_t blocks) {
#if defined(EDGERNN_BY_ROWS)
    (void)sums;
    for (size_t some; blocks; blocks -= some, ++starts) {
        const size_t first = starts[0], columns = starts[1] - first;
        some = blocks < 4 ? 1 : 4;
        for (size_t k = 0; k < some; ++k, ++order) {
            dots sum;
            sums_i8_sparse(sum.at, w + 64 * (first + k), index + first + k, (const int8_t *)q, columns / some, some);
            affine_i8_end(y, sum, scale, bias, step, 16 * (size_t)*order);
        }
    }
#else
    for (size_t fours = blocks / 4; fours; --fours, ++starts, order += 4) {
        const size_t at[4] = {16 * (size_t)order[0], 16 * (size_t)order[1], 16 * (size_t)order[2], 16 * (size_t)order[3]};
        dots a = dot_begin(sums + at[0]), b = dot_begin(sums + at[1]);
        dots c = dot_begin(sums + at[2]), d = dot_begin(sums + at[3]);
        for (size_t groups = (starts[1] - starts[0]) / 4; groups; --groups, w += 256, index += 4) {
            for (int k = 0; k < 256; k += 64) EDGERNN_AHEAD(w, 2048 + k);
            a = dot_i8(a, w, dot_read(q + 4 * (size_t)index[0]));
            b = dot_i8(b, w + 64, dot_read(q + 4 * (size_t)index[1]));
            c = dot_i8(c, w + 128, dot_read(q + 4 * (size_t)index[2]));
            d = dot_i8(d, w + 192, dot_read(q + 4 * (size_t)index[3]));
        }
        affine_i8_end(y, a, scale, bias, step, at[0]);
        affine_i8_end(y, b, scale, bias, step, at[1]);
        affine_i8_end(y, c, scale, bias, step, at[2]);
        affine_i8_end(y, d, scale, bias, step, at[3]);
    }
    for (size_t ones = blocks % 4; ones; --ones, ++starts, ++order) {
        const size_t at = 16 * (size_t)*order;
        dots sum = dot_begin(sums + at);
        for (size_t groups = starts[1] - starts[0]; groups; --groups, w += 64, ++index)
            sum = dot_i8(sum, w, dot_read(q + 4 * (size_t)*index));
        affine_i8_end(y, sum, scale, bias, step, at);
    }
#endif
}

#endif
