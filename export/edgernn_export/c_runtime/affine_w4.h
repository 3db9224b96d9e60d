/* y = W x + b in float32, with weights of four bits and a scale for each `group` inputs of a row.
 *
 * W is packed as in affine_float.h, with two inputs per column: the first in the low four bits of the bytes. In the last
 * column of an odd group the high four bits are unused. Scales are stored group after group, one per row in each.
 */
#ifndef EDGERNN_AFFINE_W4_H
#define EDGERNN_AFFINE_W4_H

#include "affine_float.h"
#include "unpack_i4.h"

/* One column of a block; it uses one sum where there are no registers for two. */
EDGERNN_FN void add_w4(f32x16 *first, f32x16 *second, const uint8_t *w, f32x16 one, f32x16 two) {
    const f32_pair both = f32_of_i4(w);
    *first = f32_fma(both.low, one, *first);
    if (EDGERNN_MANY)
        *second = f32_fma(both.high, two, *second);
    else
        *first = f32_fma(both.high, two, *first);
}

EDGERNN_FN void affine_w4_four(float *y, const uint8_t *w, const float *scale, const float *bias, const float *x,
                               size_t rows, size_t at, size_t inputs, size_t group) {
    f32x16 ya = f32_all(0), yb = ya, yc = ya, yd = ya;
    scale += at;
    for (size_t left = inputs; left; left -= group, scale += rows) {
        f32x16 a = f32_all(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
        for (size_t twos = group / 2; twos; --twos, w += 64, x += 2) {
            const f32x16 one = f32_all(x[0]), two = f32_all(x[1]);
            add_w4(&a, &e, w, one, two);
            add_w4(&b, &f, w + 16, one, two);
            add_w4(&c, &g, w + 32, one, two);
            add_w4(&d, &h, w + 48, one, two);
        }
        if (EDGERNN_MANY) a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);
        if (group % 2) {
            const f32x16 one = f32_all(*x);
            a = f32_fma(f32_of_i4(w).low, one, a);
            b = f32_fma(f32_of_i4(w + 16).low, one, b);
            c = f32_fma(f32_of_i4(w + 32).low, one, c);
            d = f32_fma(f32_of_i4(w + 48).low, one, d);
        }
        ya = f32_fma(a, f32_load(scale), ya);
        yb = f32_fma(b, f32_load(scale + 16), yb);
        yc = f32_fma(c, f32_load(scale + 32), yc);
        yd = f32_fma(d, f32_load(scale + 48), yd);
    }
    affine_end(y, ya, NULL, bias, at);
    affine_end(y, yb, NULL, bias, at + 16);
    affine_end(y, yc, NULL, bias, at + 32);
    affine_end(y, yd, NULL, bias, at + 48);
}

EDGERNN_FN void affine_w4_one(float *y, const uint8_t *w, const float *scale, const float *bias, const float *x,
                              size_t rows, size_t at, size_t inputs, size_t group) {
    f32x16 ya = f32_all(0);
    scale += at;
    for (size_t left = inputs; left; left -= group, scale += rows) {
        f32x16 a = f32_all(0), b = a, c = a, d = a;
        for (size_t fours = group / 4; fours; --fours, w += 32, x += 4) {
            add_w4(&a, &c, w, f32_all(x[0]), f32_all(x[1]));
            add_w4(&b, &d, w + 16, f32_all(x[2]), f32_all(x[3]));
        }
        if (group & 2) add_w4(&a, &c, w, f32_all(x[0]), f32_all(x[1])), w += 16, x += 2;
        if (group & 1) b = f32_fma(f32_of_i4(w).low, f32_all(*x), b);
        ya = f32_fma(f32_add(f32_add(a, b), f32_add(c, d)), f32_load(scale), ya);
    }
    affine_end(y, ya, NULL, bias, at);
}

EDGERNN_FN void affine_w4(float *y, const uint8_t *w, const float *scale, const float *bias, const float *x,
                          size_t blocks, size_t inputs, size_t group) {
    const size_t columns = (inputs + 1) / 2, rows = 16 * blocks;
    size_t at = 0;
    for (size_t fours = blocks / 4; fours; --fours, at += 64)
        affine_w4_four(y, w + at * columns, scale, bias, x, rows, at, inputs, group);
    for (size_t ones = blocks % 4; ones; --ones, at += 16)
        affine_w4_one(y, w + at * columns, scale, bias, x, rows, at, inputs, group);
}

#endif
