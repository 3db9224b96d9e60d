/* y = W x + b of n streams with weights of four bits (see affine_w4.h): four streams share each unpacked weight.
 *
 * x and y of a stream are x_far and y_far numbers behind those of the one before.
 */
#ifndef EDGERNN_AFFINE_W4_MANY_H
#define EDGERNN_AFFINE_W4_MANY_H

#include "affine_w4.h"
#include "hold.h"
#include "together.h"

#define EDGERNN_STREAMS(do) do(0) do(1) do(2) do(3)
#define EDGERNN_ZERO(s) f32x16 y##s = f32_all(0);
#define EDGERNN_GROUP(s) f32x16 a##s = f32_all(0), b##s = a##s;
#define EDGERNN_TWO(s)                                                                                                 \
    a##s = f32_fma(both.low, f32_all(x[s * x_far]), a##s);                                                             \
    if (EDGERNN_MANY)                                                                                                  \
        b##s = f32_fma(both.high, f32_all(x[s * x_far + 1]), b##s);                                                    \
    else                                                                                                               \
        a##s = f32_fma(both.high, f32_all(x[s * x_far + 1]), a##s);
#define EDGERNN_BOTH(s)                                                                                                \
    if (EDGERNN_MANY) a##s = f32_add(a##s, b##s);
#define EDGERNN_ONE(s) a##s = f32_fma(low, f32_all(x[s * x_far]), a##s);
#define EDGERNN_SCALED(s) y##s = f32_fma(a##s, f32_load(scale), y##s);
#define EDGERNN_END(s) affine_end(y + s * y_far, y##s, NULL, bias, at);

/* One of four blocks side by side, for four streams. */
EDGERNN_FN void affine_w4_tile(float *y, const uint8_t *w, const float *scale, const float *bias, const float *x,
                               size_t rows, size_t at, size_t inputs, size_t group, size_t y_far, size_t x_far) {
    EDGERNN_STREAMS(EDGERNN_ZERO)
    scale += at;
    for (size_t left = inputs; left; left -= group, scale += rows) {
        EDGERNN_STREAMS(EDGERNN_GROUP)
        for (size_t twos = group / 2; twos; --twos, w += 64, x += 2) {
            f32_pair both = f32_of_i4(w);
            EDGERNN_HOLD_F32(both.low);
            EDGERNN_HOLD_F32(both.high);
            EDGERNN_STREAMS(EDGERNN_TWO)
        }
        EDGERNN_STREAMS(EDGERNN_BOTH)
        if (group % 2) {
            const f32x16 low = f32_of_i4(w).low;
            EDGERNN_STREAMS(EDGERNN_ONE)
        }
        EDGERNN_STREAMS(EDGERNN_SCALED)
    }
    EDGERNN_STREAMS(EDGERNN_END)
}

EDGERNN_FN void affine_w4_many(float *y, const uint8_t *w, const float *scale, const float *bias, const float *x,
                               size_t blocks, size_t inputs, size_t group, size_t y_far, size_t x_far, size_t n) {
    const size_t fours = EDGERNN_TOGETHER_F32 == 4 ? n / 4 * 4 : 0, tiled = blocks / 4 * 4;
    const size_t columns = (inputs + 1) / 2, rows = 16 * blocks;
    for (size_t k = 0; fours && k < tiled; ++k)
        for (size_t s = 0; s < fours; s += 4)
            affine_w4_tile(y + s * y_far, w + block_start(k, blocks, columns, 16), scale, bias, x + s * x_far, rows,
                           16 * k, inputs, group, y_far, x_far);
    for (size_t k = tiled; k < blocks; ++k)
        for (size_t s = 0; s < fours; ++s)
            affine_w4_one(y + s * y_far, w + 16 * k * columns, scale, bias, x + s * x_far, rows, 16 * k, inputs, group);
    for (size_t s = fours; s < n; ++s) affine_w4(y + s * y_far, w, scale, bias, x + s * x_far, blocks, inputs, group);
}

#undef EDGERNN_STREAMS
#undef EDGERNN_ZERO
#undef EDGERNN_GROUP
#undef EDGERNN_TWO
#undef EDGERNN_BOTH
#undef EDGERNN_ONE
#undef EDGERNN_SCALED
#undef EDGERNN_END

#endif
