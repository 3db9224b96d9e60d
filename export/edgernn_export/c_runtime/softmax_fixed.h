/* Softmax and logarithm in integers, as defined in edgernn/integer/softmax.py, which also has the bounds of products. */
#ifndef EDGERNN_SOFTMAX_FIXED_H
#define EDGERNN_SOFTMAX_FIXED_H

#include "blocks.h"

EDGERNN_FN int64_t halve_fixed(int64_t a, int shift) { return (a + ((int64_t)1 << (shift - 1))) >> shift; }
EDGERNN_FN int32_t end_fixed(int64_t a, int32_t low, int32_t high) {
    return a < low ? low : a > high ? high : (int32_t)a;
}

/* 2^-t in steps of 2^-30, where t is away * mantissa / 2^shift / 2^18; `table` has 257 entries from 2^30 to 2^29. */
EDGERNN_FN int32_t power_fixed(const int32_t *table, int32_t away, int32_t mantissa, int shift) {
    const int32_t at = end_fixed(halve_fixed((int64_t)away * mantissa, shift), 0, 31 << 18);
    const int32_t f = at & ((1 << 18) - 1), i = f >> 10, rise = table[i + 1] - table[i];
    return (table[i] + (int32_t)halve_fixed((int64_t)rise * (f - (i << 10)), 10)) >> (at >> 18);
}

/* log2(x) in steps of 2^-24, for x from 1 to 65535; `table` has 257 entries from 0 to 2^24. */
EDGERNN_FN int32_t logarithm_fixed(const int32_t *table, int32_t x) {
    int32_t whole = 15;
    for (; x < 1 << 15; x <<= 1) --whole;
    x -= 1 << 15;
    return (whole << 24) + table[x >> 7] + (int32_t)halve_fixed((int64_t)(table[(x >> 7) + 1] - table[x >> 7]) * (x & 127), 7);
}

/* The kernels, by the bits of input and result. Powers are computed twice, which saves memory. */
#define EDGERNN_SOFTMAX(name, to, from, low, high)                                                                     \
    EDGERNN_FN void softmax_##name(to *y, const from *x, const int32_t *table, int32_t mantissa, int shift, int drop,  \
                                   int zero, size_t n) {                                                               \
        int32_t most = x[0];                                                                                           \
        int64_t sum = 0;                                                                                               \
        for (size_t i = 1; i < n; ++i) most = x[i] > most ? x[i] : most;                                               \
        for (size_t i = 0; i < n; ++i) sum += power_fixed(table, most - x[i], mantissa, shift);                        \
        const int64_t inverse = (1LL << 60) / sum;                                                                     \
        for (size_t i = 0; i < n; ++i)                                                                                 \
            y[i] = (to)end_fixed(halve_fixed(power_fixed(table, most - x[i], mantissa, shift) * inverse, drop) + zero, \
                                 low, high);                                                                           \
    }                                                                                                                  \
    EDGERNN_FN void log_##name(to *y, const from *x, const int32_t *table, int from_zero, int32_t by, int64_t plus,    \
                               int shift, int zero, size_t n) {                                                        \
        for (size_t i = 0; i < n; ++i) {                                                                               \
            const int32_t centred = x[i] - from_zero;                                                                  \
            y[i] = (to)low;                                                                                            \
            if (centred <= 0) continue;                                                                                \
            y[i] = (to)end_fixed(halve_fixed((int64_t)logarithm_fixed(table, centred) * by + plus, shift) + zero, low, \
                                 high);                                                                                \
        }                                                                                                              \
    }
EDGERNN_SOFTMAX(i8_to_i8, int8_t, int8_t, -128, 127)
EDGERNN_SOFTMAX(i8_to_i16, int16_t, int8_t, -32768, 32767)
EDGERNN_SOFTMAX(i16_to_i8, int8_t, int16_t, -128, 127)
EDGERNN_SOFTMAX(i16_to_i16, int16_t, int16_t, -32768, 32767)
#undef EDGERNN_SOFTMAX

#endif
