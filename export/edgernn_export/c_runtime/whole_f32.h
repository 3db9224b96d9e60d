/* Operations on whole vectors: softmax, which calls libm for one element at a time, logarithm, normalization. */
#ifndef EDGERNN_WHOLE_F32_H
#define EDGERNN_WHOLE_F32_H

#include <math.h>

#include "eights.h"
#include "lanes.h"

EDGERNN_FN void softmax_f32(float *y, const float *x, size_t n) {
    float most = x[0], sum = 0;
    for (size_t i = 1; i < n; ++i) most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; ++i) sum += y[i] = expf(x[i] - most);
    for (size_t i = 0; i < n; ++i) y[i] /= sum;
}

/* Natural logarithm: x = 2^n (1 + r) with r from sqrt(1/2) - 1 to sqrt(2) - 1, and a polynomial in r (S. Moshier, Cephes,
 * logf). Without a branch, so that compilers compute several elements at once. */
EDGERNN_FN float log_one_f32(float x) {
    int32_t from, bits;
    memcpy(&from, &x, sizeof from);
    const int32_t denormal = from < 0x00800000;
    const float scaled = x * (1.0f + (float)denormal * 8388607.0f);
    memcpy(&bits, &scaled, sizeof bits);
    const int32_t zero = ((bits & 0x7fffffff) - 1) >> 31, huge = (0x7f7fffff - (from & 0x7fffffff)) >> 31; /* masks */
    const int32_t whole = (bits - 0x3f3504f3) >> 23;
    bits -= (int32_t)((uint32_t)whole << 23);
    float m, y;
    memcpy(&m, &bits, sizeof m);
    const float n = (float)(whole - 23 * denormal), r = m - 1.0f, square = r * r;
    float p = 7.0376836292e-2f;
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    p = (r + ((p * r * square - n * 2.12194440e-4f) - 0.5f * square)) + n * 0.693359375f;
    memcpy(&bits, &p, sizeof bits);
    bits ^= (bits ^ from) & huge;                       /* infinity and NaN stay */
    bits ^= (bits ^ 0x7fc00000) & from >> 31;           /* NaN of negative numbers */
    bits ^= (bits ^ -0x00800000) & zero;                /* minus infinity */
    memcpy(&y, &bits, sizeof y);
    return y;
}
EDGERNN_FN void log_f32(float *EDGERNN_ALONE y, const float *EDGERNN_ALONE x, size_t n) {
    for (size_t i = 0; i < n; ++i) y[i] = log_one_f32(x[i]);
}

/* Sums element i in lane i % 16, then adds halves of the lanes: the same order as edgernn.interpreters.numpy.SameOps.
 * Elements behind the last, up to a whole block, count as zeros. */
EDGERNN_FN f32x16 block_f32(const float *x, size_t left) {
    float part[EDGERNN_LANES] = {0};
    if (left >= EDGERNN_LANES) return f32_load(x);
    memcpy(part, x, left * sizeof *x);
    return f32_load(part);
}
EDGERNN_FN float lanes_sum_f32(f32x16 sum) {
    float lane[EDGERNN_LANES];
    f32_store(lane, sum);
    for (size_t half = EDGERNN_LANES / 2; half; half /= 2)
        for (size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
}

/* (x - mean) / sqrt(variance + eps) * gain + bias; gain and bias may be NULL. y holds whole blocks. */
EDGERNN_FN void normalize_f32(float *y, const float *x, const float *gain, const float *bias, float eps, size_t n) {
    f32x16 sum = f32_all(0), squares = sum, mean, root;
    for (size_t i = 0; i < n; i += EDGERNN_LANES) sum = f32_add(sum, block_f32(x + i, n - i));
    mean = f32_all(lanes_sum_f32(sum) / (float)n);
    for (size_t i = 0; i < n; i += EDGERNN_LANES) {
        f32_store(y + i, f32_sub(f32_load(x + i), mean));
        const f32x16 centred = block_f32(y + i, n - i);
        squares = f32_add(squares, f32_mul(centred, centred));
    }
    root = f32_all(1.0f / sqrtf(lanes_sum_f32(squares) / (float)n + eps));
    for (size_t i = 0; i < n; i += EDGERNN_LANES) {
        f32x16 z = f32_mul(f32_load(y + i), root);
        if (gain) z = f32_mul(z, f32_load(gain + i));
        if (bias) z = f32_add(z, f32_load(bias + i));
        f32_store(y + i, z);
    }
}

#endif
