/* y = W x + b in float32, eight rows of a block at a time, in scalars: for processors without vectors of floats.
 *
 * W is packed as in affine_float.h. A row is summed in the order of its columns.
 */
#ifndef EDGERNN_ROWS_FLOAT_H
#define EDGERNN_ROWS_FLOAT_H

#include "lanes.h"

#if defined(EDGERNN_BY_ROWS)

EDGERNN_FN float rows_of_f32(const float *p) { return *p; }
EDGERNN_FN float rows_of_f16(const uint16_t *p) { return f32_of_half(*p); }
EDGERNN_FN float rows_of_i8(const int8_t *p) { return (float)*p; }

EDGERNN_FN void rows_end(float *y, float sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum *= scale[at];
    y[at] = bias ? sum + bias[at] : sum;
}

#define EDGERNN_ROWS_BEGIN float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
#define EDGERNN_ROWS_ADD(load)                                                                                         \
    a = one_fma(load(w), one, a);                                                                                      \
    b = one_fma(load(w + 1), one, b);                                                                                  \
    c = one_fma(load(w + 2), one, c);                                                                                  \
    d = one_fma(load(w + 3), one, d);                                                                                  \
    e = one_fma(load(w + 4), one, e);                                                                                  \
    f = one_fma(load(w + 5), one, f);                                                                                  \
    g = one_fma(load(w + 6), one, g);                                                                                  \
    h = one_fma(load(w + 7), one, h);
#define EDGERNN_ROWS_END                                                                                               \
    rows_end(y, a, scale, bias, at);                                                                                   \
    rows_end(y, b, scale, bias, at + 1);                                                                               \
    rows_end(y, c, scale, bias, at + 2);                                                                               \
    rows_end(y, d, scale, bias, at + 3);                                                                               \
    rows_end(y, e, scale, bias, at + 4);                                                                               \
    rows_end(y, f, scale, bias, at + 5);                                                                               \
    rows_end(y, g, scale, bias, at + 6);                                                                               \
    rows_end(y, h, scale, bias, at + 7);

/* The next column of a block is `far` numbers further. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FN void name##_block(float *y, const kind *from, const float *scale, const float *bias, const float *x,    \
                                 size_t at, size_t inputs, size_t far) {                                               \
        for (size_t half = 0; half < EDGERNN_LANES; half += 8, at += 8) {                                              \
            const kind *w = from + half;                                                                               \
            EDGERNN_ROWS_BEGIN                                                                                         \
            for (const float *p = x; p != x + inputs; ++p, w += far) {                                                 \
                const float one = *p;                                                                                  \
                EDGERNN_ROWS_ADD(load)                                                                                 \
            }                                                                                                          \
            EDGERNN_ROWS_END                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void name##_one(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        name##_block(y, w, scale, bias, x, at, inputs, 16);                                                            \
    }                                                                                                                  \
    EDGERNN_FN void name(float *y, const kind *w, const float *scale, const float *bias, const float *x,               \
                         size_t blocks, size_t inputs) {                                                               \
        size_t at = 0;                                                                                                 \
        for (size_t some; blocks; blocks -= some, w += 16 * inputs * some) {                                           \
            some = blocks < 4 ? 1 : 4;                                                                                 \
            for (size_t k = 0; k < some; ++k, at += 16)                                                                \
                name##_block(y, w + 16 * k, scale, bias, x, at, inputs, 16 * some);                                    \
        }                                                                                                              \
    }

EDGERNN_AFFINE(affine_f32, float, rows_of_f32)
EDGERNN_AFFINE(affine_f16, uint16_t, rows_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, rows_of_i8)
#undef EDGERNN_AFFINE

EDGERNN_FN void affine_f32_sparse(float *y, const float *w, const uint16_t *index, const uint32_t *starts,
                                  const uint16_t *order, const float *bias, const float *x, size_t blocks) {
    const float *const scale = NULL, *const first = w;
    const uint16_t *const all = index;
    for (size_t some; blocks; blocks -= some, ++starts) {
        some = blocks < 4 ? 1 : 4;
        for (size_t k = 0; k < some; ++k, ++order) {
            size_t at = 16 * (size_t)*order;
            for (size_t half = 0; half < EDGERNN_LANES; half += 8, at += 8) {
                EDGERNN_ROWS_BEGIN
                w = first + 16 * (starts[0] + k) + half, index = all + starts[0] + k;
                for (size_t columns = (starts[1] - starts[0]) / some; columns; --columns, w += 16 * some, index += some) {
                    const float one = x[*index];
                    EDGERNN_ROWS_ADD(rows_of_f32)
                }
                EDGERNN_ROWS_END
            }
        }
    }
}
#undef EDGERNN_ROWS_BEGIN
#undef EDGERNN_ROWS_ADD
#undef EDGERNN_ROWS_END

#endif

#endif
