/* Fourier transforms of n real numbers in float32: what comes before and after a complex one of m points (fft_f32.h).
 *
 * An even n has m = n / 2 points: pairs of numbers. An odd one has m = n points without imaginary part. The real and the
 * imaginary parts of points are two arrays, m + 1 apart; those of the n / 2 + 1 bins lie one behind the other.
 */
#ifndef EDGERNN_RFFT_F32_H
#define EDGERNN_RFFT_F32_H

#include "fft_f32.h"

/* The first `width` numbers of x as points, and zeros behind them: times the window, or times `by` where it is NULL. */
EDGERNN_FN void rfft_pairs_f32(float *EDGERNN_ALONE z, const float *EDGERNN_ALONE x, const float *EDGERNN_ALONE window,
                               float by, size_t width, size_t m) {
    float *EDGERNN_ALONE const re = z, *EDGERNN_ALONE const im = z + m + 1;
    const size_t pairs = width / 2;
    if (window)
        for (size_t i = 0; i < pairs; ++i) re[i] = x[2 * i] * window[2 * i], im[i] = x[2 * i + 1] * window[2 * i + 1];
    else
        for (size_t i = 0; i < pairs; ++i) re[i] = x[2 * i] * by, im[i] = x[2 * i + 1] * by;
    for (size_t i = pairs; i < m; ++i) re[i] = im[i] = 0;
    if (width % 2) re[pairs] = x[2 * pairs] * (window ? window[2 * pairs] : by);
}
EDGERNN_FN void rfft_points_f32(float *z, const float *x, const float *window, float by, size_t width, size_t m) {
    for (size_t i = 0; i < width; ++i) z[i] = x[i] * (window ? window[i] : by);
    for (size_t i = width; i < m; ++i) z[i] = 0;
    for (size_t i = 0; i < m; ++i) z[m + 1 + i] = 0;
}

/* The bins 0 to m of numbers whose halved pairs have the transform z. `turns` are the cosines and then the sines of
 * 2 pi k / n, (m + 1) / 2 of each. z has room for one more point. */
EDGERNN_FN void rfft_bins_f32(float *EDGERNN_ALONE y, float *z, const float *EDGERNN_ALONE turns, size_t m) {
    float *EDGERNN_ALONE const yr = y, *EDGERNN_ALONE const yi = y + m + 1;
    const float *const zr = z, *const zi = z + m + 1, *const c = turns, *const s = turns + (m + 1) / 2;
    z[m] = z[0], z[2 * m + 1] = z[m + 1];
    for (size_t k = 0; k < (m + 1) / 2; ++k) {
        const float er = zr[k] + zr[m - k], ei = zi[k] - zi[m - k], fr = zi[k] + zi[m - k], fi = zr[m - k] - zr[k];
        const float tr = c[k] * fr + s[k] * fi, ti = c[k] * fi - s[k] * fr;
        yr[k] = er + tr, yi[k] = ei + ti;
        yr[m - k] = er - tr, yi[m - k] = ti - ei;
    }
    if (m % 2 == 0) yr[m / 2] = 2 * zr[m / 2], yi[m / 2] = -2 * zi[m / 2];
}

/* The points of a transform of n = 2 m numbers, from the bins 0 to m. */
EDGERNN_FN void irfft_pairs_f32(float *EDGERNN_ALONE z, const float *EDGERNN_ALONE x, const float *EDGERNN_ALONE turns,
                                size_t m) {
    float *EDGERNN_ALONE const zr = z, *EDGERNN_ALONE const zi = z + m + 1;
    const float *const xr = x, *const xi = x + m + 1, *const c = turns, *const s = turns + (m + 1) / 2;
    for (size_t k = 0; k < (m + 1) / 2; ++k) {
        const float er = xr[k] + xr[m - k], ei = xi[k] - xi[m - k], dr = xr[k] - xr[m - k], di = xi[k] + xi[m - k];
        const float fr = dr * c[k] - di * s[k], fi = dr * s[k] + di * c[k];
        zr[k] = er - fi, zi[k] = ei + fr;
        zr[m - k] = er + fi, zi[m - k] = fr - ei;
    }
    if (m % 2 == 0) zr[m / 2] = 2 * xr[m / 2], zi[m / 2] = -2 * xi[m / 2];
    zr[0] = xr[0] + xr[m], zi[0] = xr[0] - xr[m];
}
/* The points of a transform of m numbers, an odd number, from the bins 0 to m / 2. */
EDGERNN_FN void irfft_points_f32(float *z, const float *x, size_t m) {
    const size_t bins = m / 2 + 1;
    z[0] = x[0], z[m + 1] = 0;
    for (size_t k = 1; k < bins; ++k) {
        z[k] = z[m - k] = x[k];
        z[m + 1 + k] = x[bins + k], z[2 * m + 1 - k] = -x[bins + k];
    }
}

/* The first `width` numbers of points: times the window, or times `by` where it is NULL. */
EDGERNN_FN void irfft_apart_f32(float *EDGERNN_ALONE y, const float *EDGERNN_ALONE z, const float *EDGERNN_ALONE window,
                                float by, size_t width, size_t m) {
    const float *const re = z, *const im = z + m + 1;
    const size_t pairs = width / 2;
    if (window)
        for (size_t i = 0; i < pairs; ++i) y[2 * i] = re[i] * window[2 * i], y[2 * i + 1] = im[i] * window[2 * i + 1];
    else
        for (size_t i = 0; i < pairs; ++i) y[2 * i] = re[i] * by, y[2 * i + 1] = im[i] * by;
    if (width % 2) y[2 * pairs] = re[pairs] * (window ? window[2 * pairs] : by);
}
EDGERNN_FN void irfft_real_f32(float *y, const float *z, const float *window, float by, size_t width) {
    for (size_t i = 0; i < width; ++i) y[i] = z[i] * (window ? window[i] : by);
}

#endif
