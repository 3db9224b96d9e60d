/* y = W x + b in float32, a few rows of a block at a time: eight in scalars, or sixteen where a Cortex-M has vectors of
 * floats (Helium).
 *
 * W is packed as in affine_float.h. A row is summed in the order of its columns.
 */
#ifndef EDGERNN_ROWS_FLOAT_H
#define EDGERNN_ROWS_FLOAT_H

#include "lanes.h"

#if defined(EDGERNN_BY_ROWS)

#if defined(EDGERNN_MVE) && __ARM_FEATURE_MVE & 2 /* vectors of floats, too */

#define EDGERNN_ROWS_AT_ONCE 16
EDGERNN_FN float32x4_t rows_of_f32(const float *p) { return vldrwq_f32(p); }
EDGERNN_FN float32x4_t rows_of_f16(const uint16_t *p) { /* as f32_of_half; below 1024 there is a fraction alone */
    const uint32x4_t half = vldrhq_u32(p), size = vandq_u32(half, vdupq_n_u32(0x7fff));
    const uint32x4_t fraction = vreinterpretq_u32_f32(vmulq_n_f32(vcvtq_f32_u32(size), 1.0f / 16777216.0f));
    const uint32x4_t other = vaddq_n_u32(vshlq_n_u32(size, 13), 112u << 23);
    const uint32x4_t bits = vpselq_u32(other, fraction, vcmpcsq_n_u32(size, 1024));
    return vreinterpretq_f32_u32(vorrq_u32(bits, vshlq_n_u32(veorq_u32(half, size), 16)));
}
EDGERNN_FN float32x4_t rows_of_i8(const int8_t *p) { return vcvtq_f32_s32(vldrbq_s32(p)); }

EDGERNN_FN void rows_end(float *y, float32x4_t sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum = vmulq_f32(sum, vldrwq_f32(scale + at));
    vstrwq_f32(y + at, bias ? vaddq_f32(sum, vldrwq_f32(bias + at)) : sum);
}

#define EDGERNN_ROWS_BEGIN float32x4_t a = vdupq_n_f32(0), b = a, c = a, d = a;
#define EDGERNN_ROWS_ADD(load)                                                                                         \
    a = vfmaq_n_f32(a, load(w), one);                                                                                  \
    b = vfmaq_n_f32(b, load(w + 4), one);                                                                              \
    c = vfmaq_n_f32(c, load(w + 8), one);                                                                              \
    d = vfmaq_n_f32(d, load(w + 12), one);
#define EDGERNN_ROWS_END                                                                                               \
    rows_end(y, a, scale, bias, at);                                                                                   \
    rows_end(y, b, scale, bias, at + 4);                                                                               \
    rows_end(y, c, scale, bias, at + 8);                                                                               \
    rows_end(y, d, scale, bias, at + 12);

#else

#define EDGERNN_ROWS_AT_ONCE 8
#if defined(__FP_FAST_FMAF) /* an instruction */
EDGERNN_FN float one_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
EDGERNN_FN float one_fma(float a, float b, float c) { return a * b + c; }
#endif
EDGERNN_FN float rows_of_f32(const float *p) { return *p; }
#if defined(EDGERNN_DSP) && defined(__ARM_FP) && defined(__ARM_FEATURE_FMA) /* the type needs an option of gcc */
EDGERNN_FN float rows_of_f16(const uint16_t *p) {
    const uint32_t half = *p;
    float y;
    memcpy(&y, &half, sizeof y);
    __asm__("vcvtb.f32.f16 %0, %0" : "+t"(y));
    return y;
}
#else
EDGERNN_FN float rows_of_f16(const uint16_t *p) { return f32_of_half(*p); }
#endif
EDGERNN_FN float rows_of_i8(const int8_t *p) { return (float)*p; }

EDGERNN_FN void rows_end(float *y, float sum, const float *scale, const float *bias, size_t at) {
    if (scale) sum *= scale[at];
    y[at] = bias ? sum + bias[at] : sum;
}

#define EDGERNN_ROWS_BEGIN float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
#define EDGERNN_ROWS_ADD(load)                                                                                         \
    a = one_fma(load(w), one, a);                                                                                      \
    b = one_fma(load(w + 1), one, b);                                                                                  \
    c = one_fma(load(w + 2), one, c);                                                                                  \
    d = one_fma(load(w + 3), one, d);                                                                                  \
    e = one_fma(load(w + 4), one, e);                                                                                  \
    f = one_fma(load(w + 5), one, f);                                                                                  \
    g = one_fma(load(w + 6), one, g);                                                                                  \
    h = one_fma(load(w + 7), one, h);
#define EDGERNN_ROWS_END                                                                                               \
    rows_end(y, a, scale, bias, at);                                                                                   \
    rows_end(y, b, scale, bias, at + 1);                                                                               \
    rows_end(y, c, scale, bias, at + 2);                                                                               \
    rows_end(y, d, scale, bias, at + 3);                                                                               \
    rows_end(y, e, scale, bias, at + 4);                                                                               \
    rows_end(y, f, scale, bias, at + 5);                                                                               \
    rows_end(y, g, scale, bias, at + 6);                                                                               \
    rows_end(y, h, scale, bias, at + 7);

#endif

/* The next column of a block is `far` numbers further. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_FN void name##_block(float *y, const kind *from, const float *scale, const float *bias, const float *x,    \
                                 size_t at, size_t inputs, size_t far) {                                               \
        for (size_t part = 0; part < EDGERNN_LANES; part += EDGERNN_ROWS_AT_ONCE, at += EDGERNN_ROWS_AT_ONCE) {        \
            const kind *w = from + part;                                                                               \
            EDGERNN_ROWS_BEGIN                                                                                         \
            for (const float *p = x; p != x + inputs; ++p, w += far) {                                                 \
                const float one = *p;                                                                                  \
                EDGERNN_ROWS_ADD(load)                                                                                 \
            }                                                                                                          \
            EDGERNN_ROWS_END                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void name##_one(float *y, const kind *w, const float *scale, const float *bias, const float *x,         \
                               size_t at, size_t inputs) {                                                             \
        name##_block(y, w, scale, bias, x, at, inputs, 16);                                                            \
    }                                                                                                                  \
    EDGERNN_FN void name(float *y, const kind *w, const float *scale, const float *bias, const float *x,               \
                         size_t blocks, size_t inputs) {                                                               \
        size_t at = 0;                                                                                                 \
        for (size_t some; blocks; blocks -= some, w += 16 * inputs * some) {                                           \
            some = blocks < 4 ? 1 : 4;                                                                                 \
            for (size_t k = 0; k < some; ++k, at += 16)                                                                \
                name##_block(y, w + 16 * k, scale, bias, x, at, inputs, 16 * some);                                    \
        }                                                                                                              \
    }

EDGERNN_AFFINE(affine_f32, float, rows_of_f32)
EDGERNN_AFFINE(affine_f16, uint16_t, rows_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, rows_of_i8)
#undef EDGERNN_AFFINE

EDGERNN_FN void affine_f32_sparse(float *y, const float *w, const uint16_t *index, const uint32_t *starts,
                                  const uint16_t *order, const float *bias, const float *x, size_t blocks) {
    const float *const scale = NULL, *const first = w;
    const uint16_t *const all = index;
    for (size_t some; blocks; blocks -= some, ++starts) {
        some = blocks < 4 ? 1 : 4;
        for (size_t k = 0; k < some; ++k, ++order) {
            size_t at = 16 * (size_t)*order;
            for (size_t part = 0; part < EDGERNN_LANES; part += EDGERNN_ROWS_AT_ONCE, at += EDGERNN_ROWS_AT_ONCE) {
                EDGERNN_ROWS_BEGIN
                w = first + 16 * (starts[0] + k) + part, index = all + starts[0] + k;
                for (size_t left = (starts[1] - starts[0]) / some; left; --left, w += 16 * some, index += some) {
                    const float one = x[*index];
                    EDGERNN_ROWS_ADD(rows_of_f32)
                }
                EDGERNN_ROWS_END
            }
        }
    }
}
#undef EDGERNN_ROWS_AT_ONCE
#undef EDGERNN_ROWS_BEGIN
#undef EDGERNN_ROWS_ADD
#undef EDGERNN_ROWS_END

#endif

#endif
