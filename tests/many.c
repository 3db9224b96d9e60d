/* The kernels of many streams beside those of one: prints the first case whose bits differ, and how many there were. */
#include <stdio.h>
#include <stdlib.h>

#include "affine_fixed_many.h"
#include "affine_float_many.h"
#include "affine_i8_many.h"
#include "affine_w4_many.h"

static uint64_t seed = 88172645463325252u;
static uint32_t drawn(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}
static void *bytes(size_t n) {
    uint8_t *const data = (uint8_t *)malloc(n ? n : 1); /* exact size, so that a sanitizer sees each byte beyond it */
    if (!data) exit(2);
    for (size_t i = 0; i < n; ++i) data[i] = (uint8_t)drawn();
    return data;
}
static float *floats(size_t n) {
    float *const data = (float *)bytes(n * sizeof(float));
    for (size_t i = 0; i < n; ++i) data[i] = (float)drawn() / 2147483648.0f - 1;
    return data;
}
static uint16_t *halves(size_t n) { /* finite: no exponent has all bits */
    uint16_t *const data = (uint16_t *)bytes(2 * n);
    for (size_t i = 0; i < n; ++i) data[i] = (uint16_t)(data[i] & 0xbbffu);
    return data;
}

static int8_t *signs(size_t count) { /* weights from -127 to 127 */
    int8_t *const data = (int8_t *)bytes(count);
    for (size_t i = 0; i < count; ++i) data[i] = (int8_t)(data[i] < -127 ? -127 : data[i]);
    return data;
}

/* The sizes of a case: streams, blocks of rows, inputs, and how far streams are apart. */
static size_t n, blocks, inputs, groups, y_far, x_far;

static int differs(const void *many, const void *one, size_t size) {
    for (size_t s = 0; s < n; ++s)
        if (memcmp((const char *)many + s * y_far * size, (const char *)one + s * y_far * size, 16 * blocks * size)) return 1;
    return 0;
}

#define FLOAT(kernel, kind, weights)                                                                                   \
    static int kernel##_differs(int with) {                                                                            \
        kind *const w = weights(16 * blocks * inputs);                                                                 \
        float *const x = floats(n * x_far), *const b = floats(16 * blocks), *const scale = floats(16 * blocks);        \
        float *const many = floats(n * y_far), *const one = floats(n * y_far);                                         \
        kernel##_many(many, w, with ? scale : NULL, with ? b : NULL, x, blocks, inputs, y_far, x_far, n);              \
        for (size_t s = 0; s < n; ++s)                                                                                 \
            kernel(one + s * y_far, w, with ? scale : NULL, with ? b : NULL, x + s * x_far, blocks, inputs);           \
        const int result = differs(many, one, sizeof *one);                                                            \
        free(w), free(x), free(b), free(scale), free(many), free(one);                                                 \
        return result;                                                                                                 \
    }
FLOAT(affine_f32, float, floats)
FLOAT(affine_f16, uint16_t, halves)
FLOAT(affine_w8, int8_t, signs)

static int affine_w4_differs(int with) {
    const size_t each = with && inputs % 8 == 0 ? 8 : inputs, counts = inputs / each;
    uint8_t *const w = (uint8_t *)bytes(16 * blocks * ((inputs + 1) / 2));
    float *const x = floats(n * x_far), *const b = floats(16 * blocks), *const scale = floats(16 * blocks * counts);
    float *const many = floats(n * y_far), *const one = floats(n * y_far);
    affine_w4_many(many, w, scale, with ? b : NULL, x, blocks, inputs, each, y_far, x_far, n);
    for (size_t s = 0; s < n; ++s)
        affine_w4(one + s * y_far, w, scale, with ? b : NULL, x + s * x_far, blocks, inputs, each);
    const int result = differs(many, one, sizeof *one);
    free(w), free(x), free(b), free(scale), free(many), free(one);
    return result;
}

static int affine_i8_differs(int with) {
    const size_t q_far = 4 * x_far;
    int8_t *const w = signs(64 * blocks * groups);
    uint8_t *const q = (uint8_t *)signs(n * q_far); /* as quantize_i8 rounds them */
    float *const b = floats(16 * blocks), *const scale = floats(16 * blocks), *const step = floats(n);
    float *const many = floats(n * y_far), *const one = floats(n * y_far);
    int32_t *const sums = (int32_t *)bytes(64 * blocks);
    for (size_t r = 0; r < 16 * blocks; ++r) sums[r] %= 1 << 20;
    for (size_t i = 0; i < n * q_far; ++i) q[i] = (uint8_t)(q[i] + EDGERNN_Q_SHIFT);
    affine_i8_many(many, w, scale, with ? b : NULL, sums, q, step, blocks, groups, y_far, q_far, n);
    for (size_t s = 0; s < n; ++s)
        affine_i8(one + s * y_far, w, scale, with ? b : NULL, sums, q + s * q_far, step[s], blocks, groups);
    const int result = differs(many, one, sizeof *one);
    free(w), free(q), free(b), free(scale), free(step), free(many), free(one), free(sums);
    return result;
}

#define FIXED(kernel, to, from)                                                                                        \
    static int kernel##_differs(int zero) {                                                                            \
        int8_t *const w = signs(64 * blocks * groups);                                                                 \
        from *const x = (from *)bytes(n * x_far * sizeof(from));                                                       \
        int32_t *const b = (int32_t *)bytes(64 * blocks), *const mantissa = (int32_t *)bytes(64 * blocks);             \
        uint8_t *const shift = (uint8_t *)bytes(16 * blocks);                                                          \
        to *const many = (to *)bytes(n * y_far * sizeof(to)), *const one = (to *)bytes(n * y_far * sizeof(to));        \
        for (size_t r = 0; r < 16 * blocks; ++r) b[r] %= 1 << 20, shift[r] = (uint8_t)(30 + shift[r] % 20);            \
        kernel##_many(many, w, b, mantissa, shift, zero, x, blocks, groups, y_far, x_far, n);                          \
        for (size_t s = 0; s < n; ++s)                                                                                 \
            kernel(one + s * y_far, w, b, mantissa, shift, zero, x + s * x_far, blocks, groups);                       \
        const int result = differs(many, one, sizeof(to));                                                             \
        free(w), free(x), free(b), free(mantissa), free(shift), free(many), free(one);                                 \
        return result;                                                                                                 \
    }
FIXED(affine_i8_to_i8, int8_t, int8_t)
FIXED(affine_i8_to_i16, int16_t, int8_t)
FIXED(affine_i16_to_i8, int8_t, int16_t)
FIXED(affine_i16_to_i16, int16_t, int16_t)

typedef struct {
    const char *name;
    int (*differs)(int with);
} kernel;
static const kernel kernels[] = {
    {"affine_f32", affine_f32_differs},
    {"affine_f16", affine_f16_differs},
    {"affine_w8", affine_w8_differs},
    {"affine_w4", affine_w4_differs},
    {"affine_i8", affine_i8_differs},
    {"affine_i8_to_i8", affine_i8_to_i8_differs},
    {"affine_i8_to_i16", affine_i8_to_i16_differs},
    {"affine_i16_to_i8", affine_i16_to_i8_differs},
    {"affine_i16_to_i16", affine_i16_to_i16_differs},
};

int main(void) {
    static const size_t counts[] = {1, 3, 4, 5, 8, 15, 16}, widths[] = {1, 2, 3, 8, 13, 40};
    unsigned done = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        for (blocks = 1; blocks < 10; ++blocks)
            for (size_t k = 0; k < sizeof widths / sizeof *widths; ++k)
                for (size_t f = 0; f < sizeof kernels / sizeof *kernels; ++f, ++done) {
                    n = counts[i], inputs = widths[k], groups = (inputs + 3) / 4;
                    y_far = 16 * blocks + 8 * (done % 3), x_far = 4 * groups + 4 * (done % 5);
                    if (kernels[f].differs((int)done & 1)) {
                        printf("%s of %u streams, %u blocks, %u inputs\n", kernels[f].name, (unsigned)n, (unsigned)blocks, (unsigned)inputs);
                        return 1;
                    }
                }
    printf("%u cases\n", done);
    return 0;
}
