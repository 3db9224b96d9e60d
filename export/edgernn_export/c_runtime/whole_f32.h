/* Operations that need all elements of a frame: softmax, logarithm, normalization. They use libm, an element at a time. */
#ifndef EDGERNN_WHOLE_F32_H
#define EDGERNN_WHOLE_F32_H

#include <math.h>

#include "lanes.h"

EDGERNN_FN void softmax_f32(float *y, const float *x, size_t n) {
    float most = x[0], sum = 0;
    for (size_t i = 1; i < n; ++i) most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; ++i) sum += y[i] = expf(x[i] - most);
    for (size_t i = 0; i < n; ++i) y[i] /= sum;
}

EDGERNN_FN void log_f32(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; ++i) y[i] = logf(x[i]);
}

/* (x - mean) / sqrt(variance + eps) * gain + bias; gain and bias may be NULL. */
EDGERNN_FN void normalize_f32(float *y, const float *x, const float *gain, const float *bias, float eps, size_t n) {
    float mean = 0, square = 0;
    for (size_t i = 0; i < n; ++i) mean += x[i];
    mean /= (float)n;
    for (size_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
    const float root = 1.0f / sqrtf(square / (float)n + eps);
    for (size_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * root * (gain ? gain[i] : 1.0f) + (bias ? bias[i] : 0.0f);
}

#endif
