/* Operations on wide integers: energies in 64 bits, as defined in edgernn/integer/wide.py, which also has the bounds. */
#ifndef EDGERNN_WIDE_FIXED_H
#define EDGERNN_WIDE_FIXED_H

#include "softmax_fixed.h"

/* a / 2^bits, halves up, where half is 2^bits / 2, or 0 for no bits. */
EDGERNN_FN int64_t dropped_wide(int64_t a, int64_t half, int bits) { return (a + half) >> bits; }
EDGERNN_FN int64_t half_wide(int bits) { return ((int64_t)1 << bits) >> 1; }

EDGERNN_FN void multiply_wide(int64_t *y, const int32_t *a, const int32_t *b, size_t n) {
    for (size_t i = 0; i < n; ++i) y[i] = (int64_t)a[i] * b[i];
}

EDGERNN_FN void add_wide(int64_t *y, const int64_t *a, const int64_t *b, size_t n) {
    for (size_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

/* y = by * x / 2^drop + plus, element by element of each of `rows` rows. */
EDGERNN_FN void scale_wide(int64_t *y, const int64_t *x, const int32_t *by, const int64_t *plus, int drop, size_t rows,
                           size_t n) {
    const int64_t half = half_wide(drop);
    for (; rows; --rows, y += n, x += n)
        for (size_t i = 0; i < n; ++i) y[i] = dropped_wide(x[i], half, drop) * by[i] + plus[i];
}

/* y = W x / 2^drop + plus; `bands` has the first column and the number of weights of each row, side by side in w. */
EDGERNN_FN void affine_wide(int64_t *y, const int16_t *w, const uint16_t *bands, const int64_t *plus, int drop,
                            const int64_t *x, size_t rows) {
    const int64_t half = half_wide(drop);
    for (size_t row = 0; row < rows; ++row, bands += 2) {
        const int64_t *const from = x + bands[0];
        int64_t sum = plus[row];
        for (size_t i = 0; i < bands[1]; ++i) sum += w[i] * dropped_wide(from[i], half, drop);
        y[row] = sum, w += bands[1];
    }
}

/* log2(x) in steps of 2^-24, of the first 16 bits of x. */
EDGERNN_FN int64_t logarithm_wide(const int32_t *table, int64_t x) {
    int more = 0;
    for (int k = 32; k; k /= 2)
        if (x >> (15 + k)) x >>= k, more += k;
    return logarithm_fixed(table, (int32_t)x) + ((int64_t)more << 24);
}

#define EDGERNN_LOG_WIDE(name, to, low, high)                                                                          \
    EDGERNN_FN void name(to *y, const int64_t *x, const int32_t *table, int32_t by, int64_t plus, int shift, int zero, \
                         size_t n) {                                                                                   \
        for (size_t i = 0; i < n; ++i)                                                                                 \
            y[i] = x[i] <= 0 ? (to)low                                                                                 \
                             : (to)end_fixed(halve_fixed(logarithm_wide(table, x[i]) * by + plus, shift) + zero, low, high); \
    }
EDGERNN_LOG_WIDE(log_wide_to_i8, int8_t, -128, 127)
EDGERNN_LOG_WIDE(log_wide_to_i16, int16_t, -32768, 32767)
#undef EDGERNN_LOG_WIDE

#endif
