/* y = W x + b of n streams in float32, with the sums of affine_float.h: four streams share each load of the weights.
 *
 * x and y of a stream are x_far and y_far numbers behind those of the one before. Every sum is that of a stream alone,
 * in the same order: with registers for it, even and odd columns are summed apart (EDGERNN_MANY).
 */
#ifndef EDGERNN_AFFINE_FLOAT_MANY_H
#define EDGERNN_AFFINE_FLOAT_MANY_H

#include "affine_float.h"
#include "hold.h"
#include "together.h"

#define EDGERNN_STREAMS(do) do(0) do(1) do(2) do(3)

#if EDGERNN_MANY
#define EDGERNN_TILE_BLOCKS 2

#define EDGERNN_ZERO(s) f32x16 a##s = f32_all(0), b##s = a##s, c##s = a##s, d##s = a##s;
#define EDGERNN_PAIR(s)                                                                                                \
    {                                                                                                                  \
        const float *const at_##s = x + s * x_far;                                                                     \
        const f32x16 one = f32_all(at_##s[0]), two = f32_all(at_##s[1]);                                               \
        a##s = f32_fma(first, one, a##s);                                                                              \
        b##s = f32_fma(second, one, b##s);                                                                             \
        c##s = f32_fma(third, two, c##s);                                                                              \
        d##s = f32_fma(fourth, two, d##s);                                                                             \
    }
#define EDGERNN_LAST(s)                                                                                                \
    {                                                                                                                  \
        const f32x16 one = f32_all(x[s * x_far]);                                                                      \
        a##s = f32_fma(first, one, f32_add(a##s, c##s));                                                               \
        b##s = f32_fma(second, one, f32_add(b##s, d##s));                                                              \
    }
#define EDGERNN_BOTH(s) a##s = f32_add(a##s, c##s), b##s = f32_add(b##s, d##s);
#define EDGERNN_END(s)                                                                                                 \
    affine_end(y + s * y_far, a##s, scale, bias, at);                                                                  \
    affine_end(y + s * y_far, b##s, scale, bias, at + 16);

#define EDGERNN_TILE(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_tile(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs, size_t y_far, size_t x_far) {                                \
        EDGERNN_STREAMS(EDGERNN_ZERO)                                                                                  \
        for (size_t twos = inputs / 2; twos; --twos, w += 128, x += 2) {                                               \
            f32x16 first = load(w), second = load(w + 16), third = load(w + 64), fourth = load(w + 80);                \
            EDGERNN_HOLD_F32(first);                                                                                   \
            EDGERNN_HOLD_F32(second);                                                                                  \
            EDGERNN_HOLD_F32(third);                                                                                   \
            EDGERNN_HOLD_F32(fourth);                                                                                  \
            EDGERNN_STREAMS(EDGERNN_PAIR)                                                                              \
        }                                                                                                              \
        if (inputs % 2) {                                                                                              \
            const f32x16 first = load(w), second = load(w + 16);                                                       \
            EDGERNN_STREAMS(EDGERNN_LAST)                                                                              \
        } else {                                                                                                       \
            EDGERNN_STREAMS(EDGERNN_BOTH)                                                                              \
        }                                                                                                              \
        EDGERNN_STREAMS(EDGERNN_END)                                                                                   \
    }
#else
#define EDGERNN_TILE_BLOCKS 1

#define EDGERNN_ZERO(s) f32x16 a##s = f32_all(0);
#define EDGERNN_ONE(s) a##s = f32_fma(first, f32_all(x[s * x_far]), a##s);
#define EDGERNN_END(s) affine_end(y + s * y_far, a##s, scale, bias, at);

#define EDGERNN_TILE(name, kind, load)                                                                                 \
    EDGERNN_FN void name##_tile(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t at, size_t inputs, size_t y_far, size_t x_far) {                                \
        EDGERNN_STREAMS(EDGERNN_ZERO)                                                                                  \
        for (; inputs; --inputs, w += 64, ++x) {                                                                       \
            f32x16 first = load(w);                                                                                    \
            EDGERNN_HOLD_F32(first);                                                                                   \
            EDGERNN_STREAMS(EDGERNN_ONE)                                                                               \
        }                                                                                                              \
        EDGERNN_STREAMS(EDGERNN_END)                                                                                   \
    }
#endif

/* Blocks in fours have tiles; the blocks that remain run one by one, and so do streams that are no four. */
#define EDGERNN_AFFINE(name, kind, load)                                                                               \
    EDGERNN_TILE(name, kind, load)                                                                                     \
    EDGERNN_FN void name##_many(float *y, const kind *w, const float *scale, const float *bias, const float *x,        \
                                size_t blocks, size_t inputs, size_t y_far, size_t x_far, size_t n) {                  \
        const size_t fours = EDGERNN_TOGETHER_F32 == 4 ? n / 4 * 4 : 0, tiled = blocks / 4 * 4;                        \
        for (size_t k = 0; fours && k < tiled; k += EDGERNN_TILE_BLOCKS)                                               \
            for (size_t s = 0; s < fours; s += 4)                                                                      \
                name##_tile(y + s * y_far, w + block_start(k, blocks, inputs, 16), scale, bias, x + s * x_far, 16 * k, \
                            inputs, y_far, x_far);                                                                     \
        for (size_t k = tiled; k < blocks; ++k)                                                                        \
            for (size_t s = 0; s < fours; ++s)                                                                         \
                name##_one(y + s * y_far, w + 16 * k * inputs, scale, bias, x + s * x_far, 16 * k, inputs);            \
        for (size_t s = fours; s < n; ++s) name(y + s * y_far, w, scale, bias, x + s * x_far, blocks, inputs);         \
    }

EDGERNN_AFFINE(affine_f32, float, f32_load)
EDGERNN_AFFINE(affine_f16, uint16_t, f32_of_f16)
EDGERNN_AFFINE(affine_w8, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE
#undef EDGERNN_STREAMS
#undef EDGERNN_TILE
#undef EDGERNN_ZERO
#undef EDGERNN_END
#undef EDGERNN_PAIR
#undef EDGERNN_LAST
#undef EDGERNN_BOTH
#undef EDGERNN_ONE

#endif
