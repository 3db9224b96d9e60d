/* Normalization in integers, as defined in edgernn/integer/normalize.py, which also has the bounds of all products. */
#ifndef EDGERNN_NORMALIZE_FIXED_H
#define EDGERNN_NORMALIZE_FIXED_H

#include "fixed.h"

/* x with 1 / sqrt(v) = x / 2^(45 + e), for v from 1 to 2^62 - 1: a linear estimate and four Newton iterations. */
EDGERNN_FN int32_t inverse_root(int64_t v, int *e) {
    int64_t x;
    for (*e = 0; v >= 1LL << 32; v >>= 2) ++*e;
    for (; v < 1LL << 30; v <<= 2) --*e;
    x = 1184717647 - ((v * 357913941) >> 31);
    for (int k = 0; k < 4; ++k) x = (x * ((3LL << 29) - ((v * ((x * x) >> 29)) >> 32))) >> 30;
    return (int32_t)x;
}

/* n^2 times the variance, in squared steps of x and units of 2^-bits, plus `eps`; at least `least`. */
EDGERNN_FN int64_t spread_fixed(int64_t n, int64_t total, int64_t squares, int bits, int64_t eps, int64_t least) {
    const int64_t spread = n * squares - total * total;
    const int64_t v = (bits < 0 ? spread >> -bits : (int64_t)((uint64_t)spread << bits)) + eps;
    return v < least ? least : v;
}

/* The kernels, by the bits of input and result. n is at most 16384, so that 32 bits hold the sum, and for bytes also the
 * sum of squares. */
#define EDGERNN_NORMALIZE(name, to, make, store, from, load, wide)                                                     \
    EDGERNN_FN void name(to *y, const from *x, const int32_t *gain, const int64_t *plus, int bits, int64_t eps,        \
                         int64_t least, int point, int shift, int zero, size_t n) {                                    \
        int32_t total = 0;                                                                                             \
        wide squares = 0;                                                                                              \
        int e;                                                                                                         \
        for (size_t i = 0; i < n; ++i) total += x[i];                                                                  \
        for (size_t i = 0; i < n; ++i) squares += (int32_t)x[i] * x[i];                                                \
        const int32_t root = inverse_root(spread_fixed((int64_t)n, total, squares, bits, eps, least), &e);             \
        for (size_t i = 0; i < n; i += EDGERNN_AT_ONCE) {                                                              \
            const q32 centred = q_plus(q_times(load(x + i), (int32_t)n), -total);                                      \
            const q32 z = q_end(rescale(centred, root, point + e), -(1 << 30), 1 << 30);                               \
            store(y + i, make(rescale_plus(z, gain + i, plus + i, shift), zero));                                      \
        }                                                                                                              \
    }
EDGERNN_NORMALIZE(normalize_i8_to_i8, int8_t, to_i8, q_store_i8, int8_t, q_i8, int32_t)
EDGERNN_NORMALIZE(normalize_i8_to_i16, int16_t, to_i16, q_store_i16, int8_t, q_i8, int32_t)
EDGERNN_NORMALIZE(normalize_i16_to_i8, int8_t, to_i8, q_store_i8, int16_t, q_i16, int64_t)
EDGERNN_NORMALIZE(normalize_i16_to_i16, int16_t, to_i16, q_store_i16, int16_t, q_i16, int64_t)
#undef EDGERNN_NORMALIZE

#endif
