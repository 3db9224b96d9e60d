/* The complex transform of Fourier in float32, one pass for each factor of its length: 2, 3, 4, 5, 7 or 8.
 *
 * Each pass reads one buffer and writes another in the order of the next pass (Stockham), so nothing is reordered: W.
 * Cochran et al., "What is the fast Fourier transform?" (Proc. IEEE 55, 1967). Real and imaginary parts are two arrays.
 * With m points, of which the passes before have taken `each` together, a pass of r has `spans` = m / each / r turns. It
 * computes each * spans transforms of r points that are each * spans apart, and turns their results by
 * exp(-2 pi i k p / (r * spans)), k = 1 to r - 1, p < spans: in `t`, for each k the cosines, then the sines. The first
 * pass has each = 1; the last has one turn, by 0, and no `t`.
 */
#ifndef EDGERNN_FFT_F32_H
#define EDGERNN_FFT_F32_H

#include "eights.h"

#define EDGERNN_FFT_IN(K, k, part) (*(const K *)(v##part + (k)*rows))
#define EDGERNN_FFT_STORE(K, k, re, im)                                                                                \
    *(K *)(zr + (k)*apart) = (re);                                                                                     \
    *(K *)(zi + (k)*apart) = (im);
/* Stores (re, im) as they are; or turned, where the cosines and sines have type T. */
#define EDGERNN_FFT_PLAIN(K, T, k, re, im) EDGERNN_FFT_STORE(K, k, re, im)
#define EDGERNN_FFT_TURNED(K, T, k, re, im)                                                                            \
    {                                                                                                                  \
        const K fr_ = (re), fi_ = (im);                                                                                \
        const T c_ = *(const T *)(w + (2 * (k)-2) * spans), s_ = *(const T *)(w + (2 * (k)-1) * spans);                \
        EDGERNN_FFT_STORE(K, k, fr_ * c_ + fi_ * s_, fi_ * c_ - fr_ * s_)                                              \
    }

#define EDGERNN_FFT2(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r), ai = EDGERNN_FFT_IN(K, 0, i), br = EDGERNN_FFT_IN(K, 1, r), bi = EDGERNN_FFT_IN(K, 1, i); \
    EDGERNN_FFT_STORE(K, 0, ar + br, ai + bi)                                                                          \
    OUT(K, T, 1, ar - br, ai - bi)

#define EDGERNN_FFT3(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r), ai = EDGERNN_FFT_IN(K, 0, i);                                                \
    const K br = EDGERNN_FFT_IN(K, 1, r) + EDGERNN_FFT_IN(K, 2, r), bi = EDGERNN_FFT_IN(K, 1, i) + EDGERNN_FFT_IN(K, 2, i); \
    const K cr = (EDGERNN_FFT_IN(K, 1, i) - EDGERNN_FFT_IN(K, 2, i)) * 0.8660254038f;                                  \
    const K ci = (EDGERNN_FFT_IN(K, 2, r) - EDGERNN_FFT_IN(K, 1, r)) * 0.8660254038f;                                  \
    const K dr = ar - br * 0.5f, di = ai - bi * 0.5f;                                                                  \
    EDGERNN_FFT_STORE(K, 0, ar + br, ai + bi)                                                                          \
    OUT(K, T, 1, dr + cr, di + ci)                                                                                     \
    OUT(K, T, 2, dr - cr, di - ci)

#define EDGERNN_FFT4(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r) + EDGERNN_FFT_IN(K, 2, r), ai = EDGERNN_FFT_IN(K, 0, i) + EDGERNN_FFT_IN(K, 2, i); \
    const K br = EDGERNN_FFT_IN(K, 0, r) - EDGERNN_FFT_IN(K, 2, r), bi = EDGERNN_FFT_IN(K, 0, i) - EDGERNN_FFT_IN(K, 2, i); \
    const K cr = EDGERNN_FFT_IN(K, 1, r) + EDGERNN_FFT_IN(K, 3, r), ci = EDGERNN_FFT_IN(K, 1, i) + EDGERNN_FFT_IN(K, 3, i); \
    const K dr = EDGERNN_FFT_IN(K, 1, i) - EDGERNN_FFT_IN(K, 3, i), di = EDGERNN_FFT_IN(K, 3, r) - EDGERNN_FFT_IN(K, 1, r); \
    EDGERNN_FFT_STORE(K, 0, ar + cr, ai + ci)                                                                          \
    OUT(K, T, 1, br + dr, bi + di)                                                                                     \
    OUT(K, T, 2, ar - cr, ai - ci)                                                                                     \
    OUT(K, T, 3, br - dr, bi - di)

/* Sums and differences of pairs, weighted by the cosines and sines of fifths and sevenths. */
#define EDGERNN_FFT_PAIR(K, k, l, s, d)                                                                                \
    const K s##r = EDGERNN_FFT_IN(K, k, r) + EDGERNN_FFT_IN(K, l, r), s##i = EDGERNN_FFT_IN(K, k, i) + EDGERNN_FFT_IN(K, l, i); \
    const K d##r = EDGERNN_FFT_IN(K, k, i) - EDGERNN_FFT_IN(K, l, i), d##i = EDGERNN_FFT_IN(K, l, r) - EDGERNN_FFT_IN(K, k, r);

#define EDGERNN_FFT5(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r), ai = EDGERNN_FFT_IN(K, 0, i);                                                \
    EDGERNN_FFT_PAIR(K, 1, 4, b, e)                                                                                    \
    EDGERNN_FFT_PAIR(K, 2, 3, c, d)                                                                                    \
    const K fr = ar + br * 0.3090169944f - cr * 0.8090169944f, fi = ai + bi * 0.3090169944f - ci * 0.8090169944f;      \
    const K gr = ar - br * 0.8090169944f + cr * 0.3090169944f, gi = ai - bi * 0.8090169944f + ci * 0.3090169944f;      \
    const K hr = er * 0.9510565163f + dr * 0.5877852523f, hi = ei * 0.9510565163f + di * 0.5877852523f;                \
    const K kr = er * 0.5877852523f - dr * 0.9510565163f, ki = ei * 0.5877852523f - di * 0.9510565163f;                \
    EDGERNN_FFT_STORE(K, 0, ar + br + cr, ai + bi + ci)                                                                \
    OUT(K, T, 1, fr + hr, fi + hi)                                                                                     \
    OUT(K, T, 2, gr + kr, gi + ki)                                                                                     \
    OUT(K, T, 3, gr - kr, gi - ki)                                                                                     \
    OUT(K, T, 4, fr - hr, fi - hi)

#define EDGERNN_FFT_C1 0.6234898019f
#define EDGERNN_FFT_C2 0.2225209340f
#define EDGERNN_FFT_C3 0.9009688679f
#define EDGERNN_FFT_S1 0.7818314825f
#define EDGERNN_FFT_S2 0.9749279122f
#define EDGERNN_FFT_S3 0.4338837391f
#define EDGERNN_FFT7(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r), ai = EDGERNN_FFT_IN(K, 0, i);                                                \
    EDGERNN_FFT_PAIR(K, 1, 6, b, e)                                                                                    \
    EDGERNN_FFT_PAIR(K, 2, 5, c, f)                                                                                    \
    EDGERNN_FFT_PAIR(K, 3, 4, d, g)                                                                                    \
    const K hr = ar + br * EDGERNN_FFT_C1 - cr * EDGERNN_FFT_C2 - dr * EDGERNN_FFT_C3;                                 \
    const K hi = ai + bi * EDGERNN_FFT_C1 - ci * EDGERNN_FFT_C2 - di * EDGERNN_FFT_C3;                                 \
    const K kr = ar - br * EDGERNN_FFT_C2 - cr * EDGERNN_FFT_C3 + dr * EDGERNN_FFT_C1;                                 \
    const K ki = ai - bi * EDGERNN_FFT_C2 - ci * EDGERNN_FFT_C3 + di * EDGERNN_FFT_C1;                                 \
    const K lr = ar - br * EDGERNN_FFT_C3 + cr * EDGERNN_FFT_C1 - dr * EDGERNN_FFT_C2;                                 \
    const K li = ai - bi * EDGERNN_FFT_C3 + ci * EDGERNN_FFT_C1 - di * EDGERNN_FFT_C2;                                 \
    const K mr = er * EDGERNN_FFT_S1 + fr * EDGERNN_FFT_S2 + gr * EDGERNN_FFT_S3;                                      \
    const K mi = ei * EDGERNN_FFT_S1 + fi * EDGERNN_FFT_S2 + gi * EDGERNN_FFT_S3;                                      \
    const K nr = er * EDGERNN_FFT_S2 - fr * EDGERNN_FFT_S3 - gr * EDGERNN_FFT_S1;                                      \
    const K ni = ei * EDGERNN_FFT_S2 - fi * EDGERNN_FFT_S3 - gi * EDGERNN_FFT_S1;                                      \
    const K pr = er * EDGERNN_FFT_S3 - fr * EDGERNN_FFT_S1 + gr * EDGERNN_FFT_S2;                                      \
    const K pi = ei * EDGERNN_FFT_S3 - fi * EDGERNN_FFT_S1 + gi * EDGERNN_FFT_S2;                                      \
    EDGERNN_FFT_STORE(K, 0, ar + br + cr + dr, ai + bi + ci + di)                                                      \
    OUT(K, T, 1, hr + mr, hi + mi)                                                                                     \
    OUT(K, T, 2, kr + nr, ki + ni)                                                                                     \
    OUT(K, T, 3, lr + pr, li + pi)                                                                                     \
    OUT(K, T, 4, lr - pr, li - pi)                                                                                     \
    OUT(K, T, 5, kr - nr, ki - ni)                                                                                     \
    OUT(K, T, 6, hr - mr, hi - mi)

/* Two transforms of four points: of the even inputs, and of the odd ones, whose results are turned by eighths. */
#define EDGERNN_FFT8(K, T, OUT)                                                                                        \
    const K ar = EDGERNN_FFT_IN(K, 0, r) + EDGERNN_FFT_IN(K, 4, r), ai = EDGERNN_FFT_IN(K, 0, i) + EDGERNN_FFT_IN(K, 4, i); \
    const K br = EDGERNN_FFT_IN(K, 0, r) - EDGERNN_FFT_IN(K, 4, r), bi = EDGERNN_FFT_IN(K, 0, i) - EDGERNN_FFT_IN(K, 4, i); \
    const K cr = EDGERNN_FFT_IN(K, 2, r) + EDGERNN_FFT_IN(K, 6, r), ci = EDGERNN_FFT_IN(K, 2, i) + EDGERNN_FFT_IN(K, 6, i); \
    const K dr = EDGERNN_FFT_IN(K, 2, i) - EDGERNN_FFT_IN(K, 6, i), di = EDGERNN_FFT_IN(K, 6, r) - EDGERNN_FFT_IN(K, 2, r); \
    const K er = EDGERNN_FFT_IN(K, 1, r) + EDGERNN_FFT_IN(K, 5, r), ei = EDGERNN_FFT_IN(K, 1, i) + EDGERNN_FFT_IN(K, 5, i); \
    const K fr = EDGERNN_FFT_IN(K, 1, r) - EDGERNN_FFT_IN(K, 5, r), fi = EDGERNN_FFT_IN(K, 1, i) - EDGERNN_FFT_IN(K, 5, i); \
    const K gr = EDGERNN_FFT_IN(K, 3, r) + EDGERNN_FFT_IN(K, 7, r), gi = EDGERNN_FFT_IN(K, 3, i) + EDGERNN_FFT_IN(K, 7, i); \
    const K hr = EDGERNN_FFT_IN(K, 3, i) - EDGERNN_FFT_IN(K, 7, i), hi = EDGERNN_FFT_IN(K, 7, r) - EDGERNN_FFT_IN(K, 3, r); \
    const K kr = fr + hr, ki = fi + hi, lr = fr - hr, li = fi - hi;                                                    \
    const K mr = (kr + ki) * 0.7071067812f, mi = (ki - kr) * 0.7071067812f;                                            \
    const K nr = (li - lr) * 0.7071067812f, ni = (lr + li) * -0.7071067812f;                                           \
    EDGERNN_FFT_STORE(K, 0, (ar + cr) + (er + gr), (ai + ci) + (ei + gi))                                              \
    OUT(K, T, 1, (br + dr) + mr, (bi + di) + mi)                                                                       \
    OUT(K, T, 2, (ar - cr) + (ei - gi), (ai - ci) + (gr - er))                                                         \
    OUT(K, T, 3, (br - dr) + nr, (bi - di) + ni)                                                                       \
    OUT(K, T, 4, (ar + cr) - (er + gr), (ai + ci) - (ei + gi))                                                         \
    OUT(K, T, 5, (br + dr) - mr, (bi + di) - mi)                                                                       \
    OUT(K, T, 6, (ar - cr) - (ei - gi), (ai - ci) - (gr - er))                                                         \
    OUT(K, T, 7, (br - dr) - nr, (bi - di) - ni)

/* In a pass with `each` a multiple of eight, eight transforms share their turns and are computed at once. */
#define EDGERNN_FFT_PASS(r)                                                                                            \
    EDGERNN_FN void fft##r##_first_f32(float *EDGERNN_ALONE yr, float *EDGERNN_ALONE yi, const float *EDGERNN_ALONE xr, \
                                       const float *EDGERNN_ALONE xi, const float *EDGERNN_ALONE t, size_t spans) {    \
        const size_t rows = spans, apart = 1;                                                                          \
        for (size_t p = 0; p < spans; ++p) {                                                                           \
            const float *const vr = xr + p, *const vi = xi + p, *const w = t + p;                                      \
            float *const zr = yr + r * p, *const zi = yi + r * p;                                                      \
            EDGERNN_FFT##r(float, float, EDGERNN_FFT_TURNED)                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void fft##r##_f32(float *EDGERNN_ALONE yr, float *EDGERNN_ALONE yi, const float *EDGERNN_ALONE xr,      \
                                 const float *EDGERNN_ALONE xi, const float *EDGERNN_ALONE t, size_t spans,            \
                                 size_t each) {                                                                        \
        const size_t rows = spans * each, apart = each, most = each % EDGERNN_F32X8 ? 1 : EDGERNN_F32X8;               \
        for (size_t p = 0; p < spans; ++p)                                                                             \
            for (size_t q = 0; q < each; q += most) {                                                                  \
                const float *const vr = xr + each * p + q, *const vi = xi + each * p + q, *const w = t + p;            \
                float *const zr = yr + r * each * p + q, *const zi = yi + r * each * p + q;                            \
                if (most > 1) {                                                                                        \
                    EDGERNN_FFT##r(f32x8, float, EDGERNN_FFT_TURNED)                                                   \
                } else {                                                                                               \
                    EDGERNN_FFT##r(float, float, EDGERNN_FFT_TURNED)                                                   \
                }                                                                                                      \
            }                                                                                                          \
    }                                                                                                                  \
    EDGERNN_FN void fft##r##_last_f32(float *EDGERNN_ALONE zr, float *EDGERNN_ALONE zi, const float *EDGERNN_ALONE vr, \
                                      const float *EDGERNN_ALONE vi, size_t each) {                                    \
        const size_t rows = each, apart = each, most = each % EDGERNN_F32X8 ? 1 : EDGERNN_F32X8;                       \
        for (const float *const end = vr + each; vr != end; vr += most, vi += most, zr += most, zi += most) {          \
            if (most > 1) {                                                                                            \
                EDGERNN_FFT##r(f32x8, float, EDGERNN_FFT_PLAIN)                                                        \
            } else {                                                                                                   \
                EDGERNN_FFT##r(float, float, EDGERNN_FFT_PLAIN)                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

EDGERNN_FFT_PASS(2)
EDGERNN_FFT_PASS(3)
EDGERNN_FFT_PASS(4)
EDGERNN_FFT_PASS(5)
EDGERNN_FFT_PASS(7)
EDGERNN_FFT_PASS(8)

#endif
