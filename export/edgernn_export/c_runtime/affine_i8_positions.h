/* y = W x + b of several positions with int8 weights and activations: some share each load of the weights (see
 * affine_i8.h). Position p has its activations at p * width, and its own scale, step[p].
 */
#ifndef EDGERNN_AFFINE_I8_POSITIONS_H
#define EDGERNN_AFFINE_I8_POSITIONS_H

#include "affine_i8.h"
#include "together.h"

#if EDGERNN_TOGETHER_i8 > 1
/* A block of several positions, with two groups of four in flight; the next group is `far` bytes further. */
EDGERNN_FN void affine_i8_together(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                                   const uint8_t *q, const float *step, size_t at, size_t far, size_t groups,
                                   size_t width, size_t rows) {
    dots a = dot_begin(sums + at), b = a;
#if EDGERNN_TOGETHER_i8 == 4
    dots c = a, d = a, e = dot_zero(), f = e, g = e, h = e;
    for (size_t twos = groups / 2; twos; --twos, w += 2 * far, q += 8) {
        a = dot_i8(a, w, dot_read(q));
        b = dot_i8(b, w, dot_read(q + width));
        c = dot_i8(c, w, dot_read(q + 2 * width));
        d = dot_i8(d, w, dot_read(q + 3 * width));
        e = dot_i8(e, w + far, dot_read(q + 4));
        f = dot_i8(f, w + far, dot_read(q + width + 4));
        g = dot_i8(g, w + far, dot_read(q + 2 * width + 4));
        h = dot_i8(h, w + far, dot_read(q + 3 * width + 4));
    }
    if (groups % 2) {
        a = dot_i8(a, w, dot_read(q));
        b = dot_i8(b, w, dot_read(q + width));
        c = dot_i8(c, w, dot_read(q + 2 * width));
        d = dot_i8(d, w, dot_read(q + 3 * width));
    }
    a = dot_add(a, e), b = dot_add(b, f);
#else
    for (; groups; --groups, w += far, q += 4) {
        a = dot_i8(a, w, dot_read(q));
        b = dot_i8(b, w, dot_read(q + width));
    }
#endif
    affine_i8_end(y, a, scale, bias, step[0], at);
    affine_i8_end(y + rows, b, scale, bias, step[1], at);
#if EDGERNN_TOGETHER_i8 == 4
    affine_i8_end(y + 2 * rows, dot_add(c, g), scale, bias, step[2], at);
    affine_i8_end(y + 3 * rows, dot_add(d, h), scale, bias, step[3], at);
#endif
}
#endif

EDGERNN_FN void affine_i8_positions(float *y, const int8_t *w, const float *scale, const float *bias, const int32_t *sums,
                                    const uint8_t *q, const float *step, size_t blocks, size_t groups, size_t width,
                                    size_t rows, size_t positions) {
#if EDGERNN_TOGETHER_i8 > 1
    const size_t some = EDGERNN_TOGETHER_i8;
    for (; positions >= some; positions -= some, q += some * width, y += some * rows, step += some)
        for (size_t k = blocks; k--;)
            affine_i8_together(y, w + block_start(k, blocks, groups, 64), scale, bias, sums, q, step, 16 * k,
                               block_far(k, blocks, 64), groups, width, rows);
#endif
    for (; positions; --positions, q += width, y += rows, ++step)
        affine_i8(y, w, scale, bias, sums, q, *step, blocks, groups);
}

#endif
