/* Every kernel of c_runtime: reads cases from stdin and writes the result of each to stdout. */
#include <stdio.h>
#include <stdlib.h>

#include "affine_fixed.h"
#include "affine_fixed_positions.h"
#include "affine_float.h"
#include "affine_float_positions.h"
#include "affine_i8.h"
#include "affine_i8_positions.h"
#include "affine_w4.h"
#include "curves_f32.h"
#include "normalize_fixed.h"
#include "softmax_fixed.h"
#include "squash_f32.h"
#include "whole_f32.h"

enum { QUANTIZE, DYNAMIC, DYNAMIC_SPARSE, FLOAT, HALF, WEIGHT_ONLY, FOUR_BITS, FLOAT_SPARSE, SQUASH, FIXED, FIXED_SPARSE = FIXED + 256, VECTOR = 1024, ELEMENTS = 2048, SEVERAL = 4096 };

static void *get(size_t bytes) {
    void *const data = malloc(bytes ? bytes : 1); /* exact size, so that a sanitizer sees each byte beyond it */
    if (!data || fread(data, 1, bytes, stdin) != bytes) exit(2);
    return data;
}

/* An affine in integers. `code` is 8 or 16 for the bits of the input, plus 100 times those of the result, plus 10000
 * times the stored blocks of a sparse matrix. */
static void fixed(size_t blocks, size_t inputs, uint64_t code, int zero, int sparse) {
    const uint64_t bits = code % 10000;
    const size_t groups = (inputs + 3) / 4, bytes = (size_t)bits % 100 / 8, result_bytes = (size_t)bits / 800;
    const size_t stored = sparse ? (size_t)code / 10000 : groups * blocks;
    void *const x = get(4 * groups * bytes);
    int8_t *const w = (int8_t *)get(64 * stored);
    uint16_t *const index = (uint16_t *)get(sparse ? 2 * stored : 0);
    uint32_t *const starts = (uint32_t *)get(sparse ? 4 * (blocks / 4 + blocks % 4 + 1) : 0);
    uint16_t *const order = (uint16_t *)get(sparse ? 2 * blocks : 0);
    int32_t *const plain = (int32_t *)get(64 * blocks), *const shifted = (int32_t *)get(64 * blocks);
    int32_t *const mantissa = (int32_t *)get(64 * blocks);
    uint8_t *const shift = (uint8_t *)get(16 * blocks);
    void *const y = malloc(16 * blocks * result_bytes);
    const int32_t *const bytewise = EDGERNN_Q_SHIFT ? shifted : plain;
#define CALL(kernel, to, from, bias)                                                                                   \
    if (sparse)                                                                                                        \
        kernel##_sparse((to *)y, w, index, starts, order, bias, mantissa, shift, zero, (const from *)x, blocks);       \
    else                                                                                                               \
        kernel((to *)y, w, bias, mantissa, shift, zero, (const from *)x, blocks, groups)
    if (bits == 808) {
        CALL(affine_i8_to_i8, int8_t, int8_t, bytewise);
    } else if (bits == 1608) {
        CALL(affine_i8_to_i16, int16_t, int8_t, bytewise);
    } else if (bits == 816) {
        CALL(affine_i16_to_i8, int8_t, int16_t, plain);
    } else {
        CALL(affine_i16_to_i16, int16_t, int16_t, plain);
    }
#undef CALL
    fwrite(y, result_bytes, 16 * blocks, stdout);
    free(x), free(w), free(plain), free(shifted), free(mantissa), free(shift), free(y);
    free(index), free(starts), free(order);
}

/* An affine of several positions in integers; `bits` as in `fixed`. */
static void fixed_positions(size_t blocks, size_t inputs, uint64_t bits, int zero, size_t rows, size_t positions) {
    const size_t groups = (inputs + 3) / 4, bytes = (size_t)bits % 100 / 8, result_bytes = (size_t)bits / 800;
    void *const x = get(((positions - 1) * inputs + 4 * groups) * bytes);
    int8_t *const w = (int8_t *)get(64 * groups * blocks);
    int32_t *const plain = (int32_t *)get(64 * blocks), *const shifted = (int32_t *)get(64 * blocks);
    int32_t *const mantissa = (int32_t *)get(64 * blocks);
    uint8_t *const shift = (uint8_t *)get(16 * blocks);
    void *const y = malloc(((positions - 1) * rows + 16 * blocks) * result_bytes);
    const int32_t *const bytewise = EDGERNN_Q_SHIFT ? shifted : plain;
#define CALL(kernel, to, from, bias)                                                                                   \
    kernel##_positions((to *)y, w, bias, mantissa, shift, zero, (const from *)x, blocks, groups, inputs, rows, positions)
    if (bits == 808)
        CALL(affine_i8_to_i8, int8_t, int8_t, bytewise);
    else if (bits == 1608)
        CALL(affine_i8_to_i16, int16_t, int8_t, bytewise);
    else if (bits == 816)
        CALL(affine_i16_to_i8, int8_t, int16_t, plain);
    else
        CALL(affine_i16_to_i16, int16_t, int16_t, plain);
#undef CALL
    fwrite(y, result_bytes, positions * rows, stdout);
    free(x), free(w), free(plain), free(shifted), free(mantissa), free(shift), free(y);
}

/* An affine of several positions in float32, or with int8 activations. */
static void positions(uint64_t kind, size_t blocks, size_t inputs, size_t rows, size_t positions) {
    const size_t groups = (inputs + 3) / 4, width = (inputs + 15) / 16 * 16;
    const size_t bytes = kind == DYNAMIC ? 64 * groups : kind == FLOAT ? 64 * inputs : kind == HALF ? 32 * inputs : 16 * inputs;
    float *const x = (float *)get(4 * inputs * positions);
    void *const w = get(bytes * blocks);
    float *const scale = (float *)get(64 * blocks), *const bias = (float *)get(64 * blocks);
    int32_t *const sums = (int32_t *)get(64 * blocks);
    float *const y = (float *)malloc(4 * ((positions - 1) * rows + 16 * blocks));
    float *const step = (float *)malloc(4 * positions);
    uint8_t *const q = (uint8_t *)malloc(width * positions);
    if (kind == DYNAMIC) {
        for (size_t p = 0; p < positions; ++p) step[p] = quantize_i8(q + p * width, x + p * inputs, inputs);
        affine_i8_positions(y, (const int8_t *)w, scale, bias, sums, q, step, blocks, groups, width, rows, positions);
    } else if (kind == FLOAT) {
        affine_f32_positions(y, (const float *)w, NULL, bias, x, blocks, inputs, rows, positions);
    } else if (kind == HALF) {
        affine_f16_positions(y, (const uint16_t *)w, NULL, bias, x, blocks, inputs, rows, positions);
    } else {
        affine_w8_positions(y, (const int8_t *)w, scale, bias, x, blocks, inputs, rows, positions);
    }
    fwrite(y, 4, positions * rows, stdout);
    free(x), free(w), free(scale), free(bias), free(sums), free(y), free(step), free(q);
}

/* An operation on a whole vector of n elements: 0 normalizes integers, 1 is their softmax, 2 their logarithm, 3
 * normalizes floats. `bits` as in `fixed`. */
static void vector(uint64_t operation, size_t n, uint64_t bits) {
    int64_t c[8];
    const size_t padded = (n + 15) / 16 * 16, x_bytes = (size_t)bits % 100 / 8, y_bytes = (size_t)bits / 800;
    if (operation == 3) {
        float *const x = (float *)get(4 * padded), *const each = (float *)get(8 * padded), *const y = (float *)malloc(4 * padded);
        normalize_f32(y, x, each, each + padded, 1e-5f, n);
        fwrite(y, 4, n, stdout);
        free(x), free(each), free(y);
        return;
    }
    if (fread(c, sizeof c, 1, stdin) != 1) exit(2);
    void *const x = get(x_bytes * padded), *const y = malloc(y_bytes * padded);
    const size_t entries = operation ? 257 : padded;
    int32_t *const by = (int32_t *)get(4 * entries);
    int64_t *const plus = (int64_t *)get(operation ? 0 : 8 * padded);
#define ARGUMENTS(to, from) (to *)y, (const from *)x, by
#define CALL(name, to, from)                                                                                           \
    if (operation == 0)                                                                                                     \
        normalize_##name(ARGUMENTS(to, from), plus, (int)c[0], c[1], c[2], (int)c[3], (int)c[4], (int)c[7], n);        \
    else if (operation == 1)                                                                                                \
        softmax_##name(ARGUMENTS(to, from), (int32_t)c[0], (int)c[1], (int)c[2], (int)c[7], n);                        \
    else                                                                                                               \
        log_##name(ARGUMENTS(to, from), (int)c[0], (int32_t)c[1], c[2], (int)c[3], (int)c[7], n)
    if (bits == 808) {
        CALL(i8_to_i8, int8_t, int8_t);
    } else if (bits == 1608) {
        CALL(i8_to_i16, int16_t, int8_t);
    } else if (bits == 816) {
        CALL(i16_to_i8, int8_t, int16_t);
    } else {
        CALL(i16_to_i16, int16_t, int16_t);
    }
    fwrite(y, y_bytes, n, stdout);
    free(x), free(y), free(by), free(plus);
}

/* Rescaled integers: 0 by a factor, 1 sums of two, 2 with an offset each, 3 by a factor each. */
static void elements(uint64_t operation, size_t n, int shift) {
    int32_t c[3]; /* two factors and the zero point */
    if (fread(c, sizeof c, 1, stdin) != 1) exit(2);
    int32_t *const a = (int32_t *)get(4 * n), *const b = (int32_t *)get(4 * n);
    int64_t *const plus = (int64_t *)get(8 * n);
    uint8_t *const shifts = (uint8_t *)get(n);
    int8_t *const bytes = (int8_t *)malloc(n);
    int16_t *const y = (int16_t *)malloc(2 * n);
    for (size_t i = 0; i < n; i += EDGERNN_AT_ONCE) {
        const q32 x = q_i32(a + i);
        const q64 z = operation == 0   ? rescale(x, c[0], shift)
                      : operation == 1 ? rescale_sum(x, c[0], q_i32(b + i), c[1], shift)
                      : operation == 2 ? rescale_plus(x, b + i, plus + i, shift)
                                       : rescale_each(x, b + i, shifts + i);
        q_store_i8(bytes + i, to_i8(z, c[2]));
        q_store_i16(y + i, to_i16(z, 0));
    }
    fwrite(bytes, 1, n, stdout);
    fwrite(y, 2, n, stdout);
    free(a), free(b), free(plus), free(shifts), free(bytes), free(y);
}

int main(void) {
    uint64_t n[4]; /* kind, blocks of rows, inputs, stored blocks or columns, or inputs that share a scale */
    while (fread(n, sizeof n, 1, stdin) == 1) {
        const size_t blocks = (size_t)n[1], inputs = (size_t)n[2], stored = (size_t)n[3], groups = (inputs + 3) / 4;
        const size_t sets = blocks / 4 + blocks % 4;
        if (n[0] >= SEVERAL) { /* plus SEVERAL for each position; the rows follow */
            const uint64_t kind = n[0] % SEVERAL;
            uint64_t rows;
            if (fread(&rows, sizeof rows, 1, stdin) != 1) exit(2);
            if (kind >= FIXED)
                fixed_positions(blocks, inputs, n[3], (int)(kind - FIXED) - 128, (size_t)rows, (size_t)(n[0] / SEVERAL));
            else
                positions(kind, blocks, inputs, (size_t)rows, (size_t)(n[0] / SEVERAL));
            continue;
        }
        if (n[0] >= ELEMENTS) {
            elements(n[0] - ELEMENTS, inputs, (int)n[3]);
            continue;
        }
        if (n[0] >= VECTOR) {
            vector(n[0] - VECTOR, inputs, n[3]);
            continue;
        }
        if (n[0] >= FIXED) {
            fixed(blocks, inputs, n[3], (int)((n[0] - FIXED) % 256) - 128, n[0] >= FIXED_SPARSE);
            continue;
        }
        float *const x = (float *)get(4 * inputs);
        float *const y = (float *)malloc(blocks ? 64 * blocks : 1);
        uint8_t *const q = (uint8_t *)malloc((inputs + 15) / 16 * 16);
        if (n[0] == QUANTIZE) {
            const float step = quantize_i8(q, x, inputs);
            for (size_t i = 0; i < inputs; ++i) q[i] = (uint8_t)(q[i] - EDGERNN_Q_SHIFT);
            fwrite(q, 1, inputs, stdout);
            fwrite(&step, sizeof step, 1, stdout);
        } else if (n[0] == SQUASH) {
            float z[EDGERNN_LANES];
            for (size_t i = 0; i < inputs; i += EDGERNN_LANES) {
                f32_store(z, f32_tanh(f32_load(x + i)));
                fwrite(z, sizeof z, 1, stdout);
                f32_store(z, f32_sigmoid(f32_load(x + i)));
                fwrite(z, sizeof z, 1, stdout);
                f32_store(z, f32_exp(f32_load(x + i)));
                fwrite(z, sizeof z, 1, stdout);
                f32_store(z, f32_sqrt(f32_load(x + i)));
                fwrite(z, sizeof z, 1, stdout);
                f32_store(z, f32_maximum(f32_load(x + i), f32_all(0.5f)));
                fwrite(z, sizeof z, 1, stdout);
                f32_store(z, f32_maximum(f32_all(0.5f), f32_load(x + i)));
                fwrite(z, sizeof z, 1, stdout);
            }
        } else {
            const int sparse = n[0] == DYNAMIC_SPARSE || n[0] == FLOAT_SPARSE;
            const size_t each[] = {0, 64 * groups * blocks, 64 * stored, 64 * inputs * blocks, 32 * inputs * blocks,
                                   16 * inputs * blocks, 16 * ((inputs + 1) / 2) * blocks, 64 * stored};
            const size_t scales = n[0] == FOUR_BITS ? inputs / stored : 1;
            void *const w = get(each[n[0]]);
            float *const scale = (float *)get(64 * blocks * scales), *const bias = (float *)get(64 * blocks);
            int32_t *const sums = (int32_t *)get(64 * blocks);
            uint16_t *const index = sparse ? (uint16_t *)get(2 * stored) : NULL;
            uint32_t *const starts = sparse ? (uint32_t *)get(4 * (sets + 1)) : NULL;
            uint16_t *const order = sparse ? (uint16_t *)get(2 * blocks) : NULL;
            if (n[0] == DYNAMIC) {
                const float step = quantize_i8(q, x, inputs);
                affine_i8(y, (const int8_t *)w, scale, bias, sums, q, step, blocks, groups);
            } else if (n[0] == DYNAMIC_SPARSE) {
                const float step = quantize_i8(q, x, inputs);
                affine_i8_sparse(y, (const int8_t *)w, index, starts, order, scale, bias, sums, q, step, blocks);
            } else if (n[0] == FLOAT) {
                affine_f32(y, (const float *)w, NULL, bias, x, blocks, inputs);
            } else if (n[0] == HALF) {
                affine_f16(y, (const uint16_t *)w, NULL, bias, x, blocks, inputs);
            } else if (n[0] == WEIGHT_ONLY) {
                affine_w8(y, (const int8_t *)w, scale, bias, x, blocks, inputs);
            } else if (n[0] == FOUR_BITS) {
                affine_w4(y, (const uint8_t *)w, scale, bias, x, blocks, inputs, stored);
            } else {
                affine_f32_sparse(y, (const float *)w, index, starts, order, bias, x, blocks);
            }
            fwrite(y, 64, blocks, stdout);
            free(w), free(scale), free(bias), free(sums), free(index), free(starts), free(order);
        }
        free(x), free(y), free(q);
    }
    return 0;
}
