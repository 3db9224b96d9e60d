/* Operations on one element at a time, in blocks of 16: every buffer has room for a whole last block. */
#ifndef EDGERNN_ELEMENTWISE_H
#define EDGERNN_ELEMENTWISE_H

#include "lanes.h"

EDGERNN_FN void add_f32(float *y, const float *a, const float *b, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16) f32_store(y + i, f32_add(f32_load(a + i), f32_load(b + i)));
}

EDGERNN_FN void subtract_f32(float *y, const float *a, const float *b, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16) f32_store(y + i, f32_sub(f32_load(a + i), f32_load(b + i)));
}

EDGERNN_FN void multiply_f32(float *y, const float *a, const float *b, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16) f32_store(y + i, f32_mul(f32_load(a + i), f32_load(b + i)));
}

EDGERNN_FN void relu_f32(float *y, const float *x, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16) f32_store(y + i, f32_max(f32_load(x + i), f32_all(0)));
}

/* by * x + plus, with one number for all. */
EDGERNN_FN void scale_all_f32(float *y, const float *x, float by, float plus, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16)
        f32_store(y + i, f32_add(f32_mul(f32_load(x + i), f32_all(by)), f32_all(plus)));
}

/* by * x + plus, with one number for each. */
EDGERNN_FN void scale_each_f32(float *y, const float *x, const float *by, const float *plus, size_t blocks) {
    for (size_t i = 0; i < 16 * blocks; i += 16)
        f32_store(y + i, f32_add(f32_mul(f32_load(x + i), f32_load(by + i)), f32_load(plus + i)));
}

#endif
