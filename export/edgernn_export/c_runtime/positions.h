/* Operations on values of several positions, which are stored one after another: row p of n elements is at p * n. */
#ifndef EDGERNN_POSITIONS_H
#define EDGERNN_POSITIONS_H

#include "blocks.h"

/* Copies `rows` rows of n elements; the starts of two rows are x_far and y_far elements apart. */
#define EDGERNN_ROWS(name, kind)                                                                                       \
    EDGERNN_FN void name(kind *y, size_t y_far, const kind *x, size_t x_far, size_t rows, size_t n) {                  \
        for (; rows; --rows, y += y_far, x += x_far)                                                                   \
            for (size_t i = 0; i < n; ++i) y[i] = x[i];                                                                \
    }

/* Fills y with runs of x: from element runs[0], runs[1] elements, and so on; `zero` where runs[0] is negative. */
#define EDGERNN_GATHER(name, kind)                                                                                     \
    EDGERNN_FN void name(kind *y, const kind *x, const int32_t *runs, size_t count, kind zero) {                       \
        for (; count; --count, runs += 2) {                                                                            \
            const kind *from = x + (runs[0] < 0 ? 0 : runs[0]);                                                        \
            const int32_t n = runs[1];                                                                                 \
            if (runs[0] < 0)                                                                                           \
                for (int32_t i = 0; i < n; ++i) y[i] = zero;                                                           \
            else                                                                                                       \
                for (int32_t i = 0; i < n; ++i) y[i] = from[i];                                                        \
            y += n;                                                                                                    \
        }                                                                                                              \
    }

/* The largest of each `size` consecutive rows of n elements. */
#define EDGERNN_LARGEST(name, kind)                                                                                    \
    EDGERNN_FN void name(kind *y, const kind *x, size_t rows, size_t size, size_t n) {                                 \
        for (; rows; --rows, y += n, x += n) {                                                                         \
            for (size_t i = 0; i < n; ++i) y[i] = x[i];                                                                \
            for (size_t k = 1; k < size; ++k) {                                                                        \
                x += n;                                                                                                \
                for (size_t i = 0; i < n; ++i) y[i] = x[i] > y[i] ? x[i] : y[i];                                       \
            }                                                                                                          \
        }                                                                                                              \
    }

EDGERNN_ROWS(rows_f32, float)
EDGERNN_ROWS(rows_i8, int8_t)
EDGERNN_ROWS(rows_i16, int16_t)
EDGERNN_ROWS(rows_i32, int32_t)
EDGERNN_ROWS(rows_i64, int64_t)
EDGERNN_GATHER(gather_f32, float)
EDGERNN_GATHER(gather_i8, int8_t)
EDGERNN_GATHER(gather_i16, int16_t)
EDGERNN_LARGEST(largest_f32, float)
EDGERNN_LARGEST(largest_i8, int8_t)
EDGERNN_LARGEST(largest_i16, int16_t)
#undef EDGERNN_ROWS
#undef EDGERNN_GATHER
#undef EDGERNN_LARGEST

/* The sum of each `size` consecutive rows of n elements, added in order. */
EDGERNN_FN void sum_f32(float *y, const float *x, size_t rows, size_t size, size_t n) {
    for (; rows; --rows, y += n, x += n) {
        for (size_t i = 0; i < n; ++i) y[i] = x[i];
        for (size_t k = 1; k < size; ++k) {
            x += n;
            for (size_t i = 0; i < n; ++i) y[i] += x[i];
        }
    }
}

#endif
