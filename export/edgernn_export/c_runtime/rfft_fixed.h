/* The transform of n samples of int16 in int32, as defined in edgernn/integer/spectrum.py, which also has the bounds.
 *
 * The points and bins are stored as in rfft_f32.h; cosines and sines have 30 fractional bits. A pass adds `radix` points
 * that are spans * each apart, and turns the sums: `t` has for each k from 1 to radix - 1 the cosines, then the sines, of
 * its spans. `roots` are the cosines, then the sines, of 2 pi k / radix for an odd radix.
 */
#ifndef EDGERNN_RFFT_FIXED_H
#define EDGERNN_RFFT_FIXED_H

#include "eights.h"

EDGERNN_FN int32_t turned_fixed(int64_t a) { return (int32_t)((a + (1 << 29)) >> 30); }

/* One part of the sum k of the points (a, b), which are `apart` apart: cosines of a plus `sign` times sines of b. */
EDGERNN_FN int32_t summed_fixed(const int32_t *a, const int32_t *b, const int32_t *roots, int sign, size_t radix, size_t k,
                                size_t apart) {
    int64_t sum = 0;
    for (size_t j = 0, at = 0; j < radix; ++j, at = (at + k) % radix)
        sum += (int64_t)a[j * apart] * roots[at] + sign * ((int64_t)b[j * apart] * roots[radix + at]);
    return turned_fixed(sum);
}

/* Stores (re, im) turned by the cosine c and the sine s. */
EDGERNN_FN void turn_fixed(int32_t *re, int32_t *im, int64_t u, int64_t v, int64_t c, int64_t s) {
    *re = turned_fixed(u * c + v * s);
    *im = turned_fixed(v * c - u * s);
}

/* The sums of two or four points as u0, v0, and so on. */
#define EDGERNN_TWO_FIXED                                                                                              \
    const int32_t u0 = a[0] + a[apart], v0 = b[0] + b[apart], u1 = a[0] - a[apart], v1 = b[0] - b[apart];
#define EDGERNN_FOUR_FIXED                                                                                             \
    const int32_t ar = a[0] + a[2 * apart], ai = b[0] + b[2 * apart];                                                  \
    const int32_t br = a[0] - a[2 * apart], bi = b[0] - b[2 * apart];                                                  \
    const int32_t cr = a[apart] + a[3 * apart], ci = b[apart] + b[3 * apart];                                          \
    const int32_t dr = b[apart] - b[3 * apart], di = a[3 * apart] - a[apart];                                          \
    const int32_t u0 = ar + cr, u1 = br + dr, u2 = ar - cr, u3 = br - dr;                                              \
    const int32_t v0 = ai + ci, v1 = bi + di, v2 = ai - ci, v3 = bi - di;

/* A loop over all transforms of a pass; and that of the last pass, which turns nothing. */
#define EDGERNN_EACH_FIXED(radix, spans, first)                                                                        \
    const size_t apart = spans * each, m = radix * apart;                                                              \
    for (size_t p = 0; p < spans; ++p) {                                                                               \
        first                                                                                                          \
        for (size_t q = 0; q < each; ++q) {                                                                            \
            const int32_t *const a = x + p * each + q, *const b = a + m + 1;                                           \
            int32_t *const re = y + radix * p * each + q, *const im = re + m + 1;

EDGERNN_FN void fft2_fixed(int32_t *EDGERNN_ALONE y, const int32_t *EDGERNN_ALONE x, const int32_t *EDGERNN_ALONE t,
                           size_t spans, size_t each) {
    EDGERNN_EACH_FIXED(2, spans, const int64_t c = t[p]; const int64_t s = t[spans + p];)
            EDGERNN_TWO_FIXED
            re[0] = u0, im[0] = v0;
            turn_fixed(re + each, im + each, u1, v1, c, s);
        }
    }
}
EDGERNN_FN void fft2_last_fixed(int32_t *EDGERNN_ALONE y, const int32_t *EDGERNN_ALONE x, size_t each) {
    EDGERNN_EACH_FIXED(2, 1, )
            EDGERNN_TWO_FIXED
            re[0] = u0, im[0] = v0, re[each] = u1, im[each] = v1;
        }
    }
}
EDGERNN_FN void fft4_fixed(int32_t *EDGERNN_ALONE y, const int32_t *EDGERNN_ALONE x, const int32_t *EDGERNN_ALONE t,
                           size_t spans, size_t each) {
    EDGERNN_EACH_FIXED(4, spans,
                       const int64_t c1 = t[p]; const int64_t s1 = t[spans + p]; const int64_t c2 = t[2 * spans + p];
                       const int64_t s2 = t[3 * spans + p]; const int64_t c3 = t[4 * spans + p];
                       const int64_t s3 = t[5 * spans + p];)
            EDGERNN_FOUR_FIXED
            re[0] = u0, im[0] = v0;
            turn_fixed(re + each, im + each, u1, v1, c1, s1);
            turn_fixed(re + 2 * each, im + 2 * each, u2, v2, c2, s2);
            turn_fixed(re + 3 * each, im + 3 * each, u3, v3, c3, s3);
        }
    }
}
EDGERNN_FN void fft4_last_fixed(int32_t *EDGERNN_ALONE y, const int32_t *EDGERNN_ALONE x, size_t each) {
    EDGERNN_EACH_FIXED(4, 1, )
            EDGERNN_FOUR_FIXED
            re[0] = u0, im[0] = v0, re[each] = u1, im[each] = v1;
            re[2 * each] = u2, im[2 * each] = v2, re[3 * each] = u3, im[3 * each] = v3;
        }
    }
}
/* A pass of 3, 5 or 7; without turns where `t` is NULL. */
EDGERNN_FN void fft_odd_fixed(int32_t *y, const int32_t *x, const int32_t *t, size_t spans, size_t each,
                              const int32_t *roots, size_t radix) {
    EDGERNN_EACH_FIXED(radix, spans, )
            re[0] = im[0] = 0;
            for (size_t k = 0; k < radix; ++k) re[0] += a[k * apart], im[0] += b[k * apart];
            for (size_t k = 1; k < radix; ++k) {
                const int32_t u = summed_fixed(a, b, roots, 1, radix, k, apart);
                const int32_t v = summed_fixed(b, a, roots, -1, radix, k, apart);
                re[k * each] = u, im[k * each] = v;
                if (t) turn_fixed(re + k * each, im + k * each, u, v, t[(2 * k - 2) * spans + p], t[(2 * k - 1) * spans + p]);
            }
        }
    }
}
#undef EDGERNN_TWO_FIXED
#undef EDGERNN_FOUR_FIXED
#undef EDGERNN_EACH_FIXED

/* x times the window, divided by 2^shift, halves up; as m points, pairs of samples or single ones, and zeros behind
 * them. */
EDGERNN_FN int32_t weighted_fixed(int16_t x, int32_t window, int shift) {
    return (int32_t)(((int64_t)x * window + (1LL << (shift - 1))) >> shift);
}
EDGERNN_FN void rfft_pairs_fixed(int32_t *EDGERNN_ALONE z, const int16_t *EDGERNN_ALONE x,
                                 const int32_t *EDGERNN_ALONE window, int shift, size_t width, size_t m) {
    int32_t *EDGERNN_ALONE const re = z, *EDGERNN_ALONE const im = z + m + 1;
    const size_t pairs = width / 2;
    for (size_t i = 0; i < pairs; ++i) {
        re[i] = weighted_fixed(x[2 * i], window[2 * i], shift);
        im[i] = weighted_fixed(x[2 * i + 1], window[2 * i + 1], shift);
    }
    for (size_t i = pairs; i < m; ++i) re[i] = im[i] = 0;
    if (width % 2) re[pairs] = weighted_fixed(x[2 * pairs], window[2 * pairs], shift);
}
EDGERNN_FN void rfft_points_fixed(int32_t *z, const int16_t *x, const int32_t *window, int shift, size_t width, size_t m) {
    for (size_t i = 0; i < m; ++i) z[i] = i < width ? weighted_fixed(x[i], window[i], shift) : 0, z[m + 1 + i] = 0;
}

EDGERNN_FN void rfft_bins_fixed(int32_t *y, int32_t *z, const int32_t *halves, size_t m) {
    int32_t *const yr = y, *const yi = y + m + 1, *const zr = z, *const zi = z + m + 1;
    const int32_t *const c = halves, *const s = halves + (m + 1) / 2;
    zr[m] = zr[0], zi[m] = zi[0];
    for (size_t k = 0; k < (m + 1) / 2; ++k) {
        const int32_t er = zr[k] + zr[m - k], ei = zi[k] - zi[m - k];
        const int64_t fr = zi[k] + zi[m - k], fi = zr[m - k] - zr[k];
        const int32_t tr = turned_fixed(fr * c[k] + fi * s[k]), ti = turned_fixed(fi * c[k] - fr * s[k]);
        yr[k] = er + tr, yi[k] = ei + ti;
        yr[m - k] = er - tr, yi[m - k] = ti - ei;
    }
    if (m % 2 == 0) yr[m / 2] = 2 * zr[m / 2], yi[m / 2] = -2 * zi[m / 2];
}

#endif
