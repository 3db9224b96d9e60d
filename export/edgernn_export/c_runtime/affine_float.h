/* y = W x + b in float32, with weights of float32, float16, or int8 with a scale per row.
 *
 * W is packed in blocks of 16 rows, column after column, four blocks side by side (see blocks.h).
 */
#ifndef EDGERNN_AFFINE_FLOAT_H
#define EDGERNN_AFFINE_FLOAT_H

#include "lanes.h"
#include "rows_float.h"

/* The end of an affine: multiplies with the scale of each row, if any, and adds the bias. */
EDGERNN_FN void affine_end(float *y, f32x16 sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum = f32_mul(sum, f32_load(scale + at));
    f32_store(y + at, bias ? f32_add(sum, f32_load(bias + at)) : sum);
}

/* Whether there are registers for eight sums, so that no sum waits for the one before. */
#if defined(EDGERNN_AVX512)
#define EDGERNN_MANY 1
#else
#define EDGERNN_MANY 0
#endif

#if !defined(EDGERNN_BY_ROWS)
/* With few registers, two blocks at a time have room for their sums; each row adds in the same order. */
#if EDGERNN_FEW
#define EDGERNN_FOUR(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_two(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        f32x16 a = f32_all(0), b = a;                                                                                  \
        for (size_t fours = inputs / 4; fours; --fours, w += 256, x += 4) {                                            \
            a = f32_fma(load(w), f32_all(x[0]), a);                                                                    \
            b = f32_fma(load(w + 16), f32_all(x[0]), b);                                                               \
            a = f32_fma(load(w + 64), f32_all(x[1]), a);                                                               \
            b = f32_fma(load(w + 80), f32_all(x[1]), b);                                                               \
            a = f32_fma(load(w + 128), f32_all(x[2]), a);                                                              \
            b = f32_fma(load(w + 144), f32_all(x[2]), b);                                                              \
            a = f32_fma(load(w + 192), f32_all(x[3]), a);                                                              \
            b = f32_fma(load(w + 208), f32_all(x[3]), b);                                                              \
        }                                                                                                              \
        for (size_t ones = inputs % 4; ones; --ones, w += 64, ++x) {                                                   \
            a = f32_fma(load(w), f32_all(*x), a);                                                                      \
            b = f32_fma(load(w + 16), f32_all(*x), b);                                                                 \
        }                                                                                                              \
        affine_end(y, a, scale, bias, at);                                                                             \
        affine_end(y, b, scale, bias, at + 16);                                                                        \
    }                                                                                                                  \
    EDGERNN_FN void name##_four(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs) {                                                            \
        name##_two(y, w, scale, bias, x, at, inputs);                                                                  \
        name##_two(y, w + 32, scale, bias, x, at + 32, inputs);                                                        \
    }
#else
#define EDGERNN_FOUR(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_four(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs) {                                                            \
        f32x16 a = f32_all(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                        \
        size_t ones = inputs;                                                                                          \
        if (EDGERNN_MANY) {                                                                                            \
            ones = inputs % 2;                                                                                         \
            for (size_t twos = inputs / 2; twos; --twos, w += 128, x += 2) {                                           \
                const f32x16 one = f32_all(x[0]), two = f32_all(x[1]);                                                 \
                a = f32_fma(load(w), one, a);                                                                          \
                b = f32_fma(load(w + 16), one, b);                                                                     \
                c = f32_fma(load(w + 32), one, c);                                                                     \
                d = f32_fma(load(w + 48), one, d);                                                                     \
                e = f32_fma(load(w + 64), two, e);                                                                     \
                f = f32_fma(load(w + 80), two, f);                                                                     \
                g = f32_fma(load(w + 96), two, g);                                                                     \
                h = f32_fma(load(w + 112), two, h);                                                                    \
            }                                                                                                          \
            a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);                                \
        }                                                                                                              \
        for (; ones; --ones, w += 64, ++x) {                                                                           \
            const f32x16 one = f32_all(*x);                                                                            \
            a = f32_fma(load(w), one, a);                                                                              \
            b = f32_fma(load(w + 16), one, b);                                                                         \
            c = f32_fma(load(w + 32), one, c);                                                                         \
            d = f32_fma(load(w + 48), one, d);                                                                         \
        }                                                                                                              \
        affine_end(y, a, scale, bias, at);                                                                             \
        affine_end(y, b, scale, bias, at + 16);                                                                        \
        affine_end(y, c, scale, bias, at + 32);                                                                        \
        affine_end(y, d, scale, bias, at + 48);                                                                        \
    }
#endif

/* Four blocks side by side share the loads of x; remaining blocks run one by one, with several columns in flight. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FOUR(name, kind, load)                                                                                     \
    EDGERNN_FN void name##_one(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        f32x16 a = f32_all(0), b = a, c = a, d = a;                                                                    \
        for (size_t fours = inputs / 4; fours; --fours, w += 64, x += 4) {                                             \
            a = f32_fma(load(w), f32_all(x[0]), a);                                                                    \
            b = f32_fma(load(w + 16), f32_all(x[1]), b);                                                               \
            c = f32_fma(load(w + 32), f32_all(x[2]), c);                                                               \
            d = f32_fma(load(w + 48), f32_all(x[3]), d);                                                               \
        }                                                                                                              \
        for (size_t ones = inputs % 4; ones; --ones, w += 16, ++x) a = f32_fma(load(w), f32_all(*x), a);               \
        affine_end(y, f32_add(f32_add(a, b), f32_add(c, d)), scale, bias, at);                                         \
    }                                                                                                                  \
    EDGERNN_FN void name(float *y, const kind *w, const float *scale, const float *bias, const float *x,               \
                         size_t blocks, size_t inputs) {                                                               \
        size_t at = 0;                                                                                                 \
        for (size_t fours = blocks / 4; fours; --fours, at += 64) name##_four(y, w + at * inputs, scale, bias, x, at, inputs); \
        for (size_t ones = blocks % 4; ones; --ones, at += 16) name##_one(y, w + at * inputs, scale, bias, x, at, inputs);     \
    }

EDGERNN_AFFINE(affine_f32, float, f32_load)
EDGERNN_AFFINE(affine_f16, uint16_t, f32_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE
#undef EDGERNN_FOUR

EDGERNN_FN void affine_f32_sparse(float *y, const float *w, const uint16_t *index, const uint32_t *starts,
                                  const uint16_t *order, const float *bias, const float *x, size_t blocks) {
    for (size_t fours = blocks / 4; fours; --fours, ++starts, order += 4) {
        f32x16 a = f32_all(0), b = a, c = a, d = a;
        for (size_t columns = (starts[1] - starts[0]) / 4; columns; --columns, w += 64, index += 4) {
            a = f32_fma(f32_load(w), f32_all(x[index[0]]), a);
            b = f32_fma(f32_load(w + 16), f32_all(x[index[1]]), b);
            c = f32_fma(f32_load(w + 32), f32_all(x[index[2]]), c);
            d = f32_fma(f32_load(w + 48), f32_all(x[index[3]]), d);
        }
        affine_end(y, a, NULL, bias, 16 * (size_t)order[0]);
        affine_end(y, b, NULL, bias, 16 * (size_t)order[1]);
        affine_end(y, c, NULL, bias, 16 * (size_t)order[2]);
        affine_end(y, d, NULL, bias, 16 * (size_t)order[3]);
    }
    for (size_t ones = blocks % 4; ones; --ones, ++starts, ++order) {
        f32x16 a = f32_all(0);
        for (size_t columns = starts[1] - starts[0]; columns; --columns, w += 16, ++index)
            a = f32_fma(f32_load(w), f32_all(x[*index]), a);
        affine_end(y, a, NULL, bias, 16 * (size_t)*order);
    }
}
#endif

#endif
