/* Sums over positions in integers: 32 bits hold each sum, which is rescaled once. */
#ifndef EDGERNN_SUM_FIXED_H
#define EDGERNN_SUM_FIXED_H

#include "blocks.h"

/* The sum of each `size` consecutive rows of n elements less `x_zero`, times mantissa / 2^shift, rounded halves up. */
#define EDGERNN_SUM(name, to, from, low, high)                                                                         \
    EDGERNN_FN void name(to *y, const from *x, int x_zero, int32_t mantissa, int shift, int zero, size_t rows,         \
                         size_t size, size_t n) {                                                                      \
        for (; rows; --rows, y += n, x += size * n)                                                                    \
            for (size_t i = 0; i < n; ++i) {                                                                           \
                int32_t sum = 0;                                                                                       \
                for (size_t k = 0; k < size; ++k) sum += x[k * n + i] - x_zero;                                        \
                const int64_t q = (((int64_t)sum * mantissa + ((int64_t)1 << (shift - 1))) >> shift) + zero;           \
                y[i] = (to)(q < low ? low : q > high ? high : q);                                                      \
            }                                                                                                          \
    }
EDGERNN_SUM(sum_i8_to_i8, int8_t, int8_t, -128, 127)
EDGERNN_SUM(sum_i8_to_i16, int16_t, int8_t, -32768, 32767)
EDGERNN_SUM(sum_i16_to_i8, int8_t, int16_t, -128, 127)
EDGERNN_SUM(sum_i16_to_i16, int16_t, int16_t, -32768, 32767)
#undef EDGERNN_SUM

#endif
