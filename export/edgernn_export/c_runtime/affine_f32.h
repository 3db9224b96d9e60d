/* y = W x + b in float32. W is packed in blocks of 16 rows, one column after another: block, column, row. */
#ifndef EDGERNN_AFFINE_F32_H
#define EDGERNN_AFFINE_F32_H

#include "lanes.h"

/* One column of a block for each of several inputs in flight, so that no sum waits for the one before it. */
EDGERNN_FN f32x16 affine_f32_block(const float *w, const float *x, size_t inputs, f32x16 sum) {
    f32x16 a = sum, b = f32_all(0), c = f32_all(0), d = f32_all(0);
    for (size_t fours = inputs / 4; fours; --fours, x += 4, w += 64) {
        a = f32_fma(f32_load(w), f32_all(x[0]), a);
        b = f32_fma(f32_load(w + 16), f32_all(x[1]), b);
        c = f32_fma(f32_load(w + 32), f32_all(x[2]), c);
        d = f32_fma(f32_load(w + 48), f32_all(x[3]), d);
    }
    for (size_t ones = inputs % 4; ones; --ones, ++x, w += 16) a = f32_fma(f32_load(w), f32_all(*x), a);
    return f32_add(f32_add(a, b), f32_add(c, d));
}

/* blocks: rows / 16, rounded up; y has room for 16 * blocks; bias is padded alike, or NULL. */
EDGERNN_FN void affine_f32(float *y, const float *w, const float *bias, const float *x, size_t blocks, size_t inputs) {
    for (size_t k = 0; k < blocks; ++k, w += 16 * inputs)
        f32_store(y + 16 * k, affine_f32_block(w, x, inputs, bias ? f32_load(bias + 16 * k) : f32_all(0)));
}

#endif
