/* y = W x + b of several positions in float32: four share each load of the weights (see affine_float.h). */
#ifndef EDGERNN_AFFINE_FLOAT_POSITIONS_H
#define EDGERNN_AFFINE_FLOAT_POSITIONS_H

#include "affine_float.h"
#include "together.h"

/* A block of four positions; the next column is `far` numbers further. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FN void name##_together(float *y, const kind *w, const float *scale, const float *bias, const float *x,    \
                                    size_t at, size_t far, size_t inputs, size_t rows) {                               \
        f32x16 a = f32_all(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                        \
        const float *const xb = x + inputs, *const xc = xb + inputs, *const xd = xc + inputs;                          \
        size_t i = 0;                                                                                                  \
        for (; EDGERNN_MANY && i + 1 < inputs; i += 2, w += 2 * far) {                                                 \
            const f32x16 one = load(w), two = load(w + far);                                                           \
            a = f32_fma(one, f32_all(x[i]), a);                                                                        \
            b = f32_fma(one, f32_all(xb[i]), b);                                                                       \
            c = f32_fma(one, f32_all(xc[i]), c);                                                                       \
            d = f32_fma(one, f32_all(xd[i]), d);                                                                       \
            e = f32_fma(two, f32_all(x[i + 1]), e);                                                                    \
            f = f32_fma(two, f32_all(xb[i + 1]), f);                                                                   \
            g = f32_fma(two, f32_all(xc[i + 1]), g);                                                                   \
            h = f32_fma(two, f32_all(xd[i + 1]), h);                                                                   \
        }                                                                                                              \
        if (EDGERNN_MANY) a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);                  \
        for (; i < inputs; ++i, w += far) {                                                                            \
            const f32x16 one = load(w);                                                                                \
            a = f32_fma(one, f32_all(x[i]), a);                                                                        \
            b = f32_fma(one, f32_all(xb[i]), b);                                                                       \
            c = f32_fma(one, f32_all(xc[i]), c);                                                                       \
            d = f32_fma(one, f32_all(xd[i]), d);                                                                       \
        }                                                                                                              \
        affine_end(y, a, scale, bias, at);                                                                             \
        affine_end(y + rows, b, scale, bias, at);                                                                      \
        affine_end(y + 2 * rows, c, scale, bias, at);                                                                  \
        affine_end(y + 3 * rows, d, scale, bias, at);                                                                  \
    }                                                                                                                  \
    EDGERNN_FN void name##_positions(float *y, const kind *w, const float *scale, const float *bias, const float *x,   \
                                     size_t blocks, size_t inputs, size_t rows, size_t positions) {                    \
        for (; EDGERNN_TOGETHER_F32 == 4 && positions > 3; positions -= 4, x += 4 * inputs, y += 4 * rows)             \
            for (size_t k = blocks; k--;)                                                                              \
                name##_together(y, w + block_start(k, blocks, inputs, 16), scale, bias, x, 16 * k,                     \
                                block_far(k, blocks, 16), inputs, rows);                                               \
        for (; positions; --positions, x += inputs, y += rows) name(y, w, scale, bias, x, blocks, inputs);             \
    }

EDGERNN_AFFINE(affine_f32, float, f32_load)
EDGERNN_AFFINE(affine_f16, uint16_t, f32_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE

#endif
