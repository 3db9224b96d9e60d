/* Casts between float and integers with a scale and a zero point. */
#ifndef EDGERNN_CASTS_H
#define EDGERNN_CASTS_H

#include "blocks.h"
#include "nearest.h"

EDGERNN_FN void i8_of_f32(int8_t *q, const float *x, double scale, int zero, size_t n) {
    for (size_t i = 0; i < n; ++i) q[i] = (int8_t)nearest(x[i], scale, zero, -128, 127);
}
EDGERNN_FN void i16_of_f32(int16_t *q, const float *x, double scale, int zero, size_t n) {
    for (size_t i = 0; i < n; ++i) q[i] = (int16_t)nearest(x[i], scale, zero, -32768, 32767);
}
EDGERNN_FN void f32_of_i8_on(float *x, const int8_t *q, double scale, int zero, size_t n) {
    for (size_t i = 0; i < n; ++i) x[i] = (float)((q[i] - zero) * scale);
}
EDGERNN_FN void f32_of_i16_on(float *x, const int16_t *q, double scale, int zero, size_t n) {
    for (size_t i = 0; i < n; ++i) x[i] = (float)((q[i] - zero) * scale);
}

#endif
