/* y = W held + b in float32, from the y of the step before: only the columns of the elements that moved are read.
 *
 * `held` is the input as it was last used. An element of x that differs from it by more than a threshold replaces it,
 * and its column times the change is added to y. W is packed as in affine_float.h, so a column of four blocks is 64
 * numbers in a row, and one that is skipped costs nothing. With a scale for each row, `sum` has the sums before it;
 * without, y itself has them.
 *
 * `age` counts the steps since all columns were read. They are at the first step, where it is 0, and every
 * EDGERNN_DELTA_FRESH steps, so that the rounding of many steps does not add up; and after a change that is not finite,
 * which every sum shows.
 */
#ifndef EDGERNN_AFFINE_DELTA_FLOAT_H
#define EDGERNN_AFFINE_DELTA_FLOAT_H

#include "affine_float.h"

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) /* where a call takes as long as what it does */
#define EDGERNN_INLINE EDGERNN_FN __attribute__((always_inline))
#else
#define EDGERNN_INLINE EDGERNN_FN
#endif

#define EDGERNN_DELTA_FRESH 1024
#define EDGERNN_DELTA_LIST 64 /* elements whose changes are listed at a time */

/* An element that moved: 64 times its place, and by how much. */
typedef struct {
    uint32_t at;
    float by;
} move_f32;

/* Lists the elements that moved, and holds them; returns how many. What is NaN has moved. Vectors are read in whole
 * blocks: x and held have room for that. */
EDGERNN_INLINE size_t moves_of(move_f32 *list, const float *x, float *held, float threshold, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i += EDGERNN_LANES) {
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2)
        const __m256 most = _mm256_set1_ps(threshold), sign = _mm256_set1_ps(-0.0f);
        const __m256 a = _mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(held + i));
        const __m256 b = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(held + i + 8));
        const __m256 far_a = _mm256_cmp_ps(_mm256_andnot_ps(sign, a), most, _CMP_NLE_UQ);
        const __m256 far_b = _mm256_cmp_ps(_mm256_andnot_ps(sign, b), most, _CMP_NLE_UQ);
        const __m256 far = _mm256_or_ps(far_a, far_b);
        if (_mm256_testz_ps(far, far)) continue;
        unsigned mask = (unsigned)_mm256_movemask_ps(far_a) | (unsigned)_mm256_movemask_ps(far_b) << 8;
        if (n - i < EDGERNN_LANES) mask &= (1u << (n - i)) - 1;
        for (; mask; mask &= mask - 1) {
            __asm__ volatile("" : "+r"(mask)); /* GCC would divide the loop into one for each array it writes */
            const size_t k = i + (size_t)__builtin_ctz(mask);
            const float now = x[k];
            list[count].at = (uint32_t)k * 64;
            list[count++].by = now - held[k];
            held[k] = now;
        }
#else
        for (size_t k = i; k < n && k < i + EDGERNN_LANES; ++k) {
            const float by = x[k] - held[k];
            if (by <= threshold && -by <= threshold) continue;
            list[count].at = 64 * (uint32_t)k;
            list[count++].by = by;
            held[k] = x[k];
        }
#endif
    }
    return count;
}

/* The same where nothing was summed before: lists all elements that are not 0 once those that moved are held. */
EDGERNN_FN size_t all_of(move_f32 *list, const float *x, float *held, float threshold, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; ++i) {
        const float by = x[i] - held[i];
        held[i] = by <= threshold && -by <= threshold ? held[i] : x[i];
        list[count].at = 64 * (uint32_t)i;
        list[count].by = held[i];
        count += held[i] != 0;
    }
    return count;
}

/* Adds the listed columns to four blocks side by side, or to one block. */
#define EDGERNN_AFFINE_DELTA(name, kind, load)                                                                         \
    EDGERNN_FN void name##_four(float *sum, const kind *w, const move_f32 *list, size_t count) {                       \
        f32x16 a = f32_load(sum), b = f32_load(sum + 16), c = f32_load(sum + 32), d = f32_load(sum + 48);              \
        f32x16 e = f32_all(0), f = e, g = e, h = e;                                                                    \
        size_t k = 0;                                                                                                  \
        for (; k + 2 <= count; k += 2) {                                                                               \
            const kind *const first = w + list[k].at, *const second = w + list[k + 1].at;                              \
            const f32x16 one = f32_all(list[k].by), two = f32_all(list[k + 1].by);                                     \
            a = f32_fma(load(first), one, a);                                                                          \
            b = f32_fma(load(first + 16), one, b);                                                                     \
            c = f32_fma(load(first + 32), one, c);                                                                     \
            d = f32_fma(load(first + 48), one, d);                                                                     \
            if (EDGERNN_MANY) {                                                                                        \
                e = f32_fma(load(second), two, e);                                                                     \
                f = f32_fma(load(second + 16), two, f);                                                                \
                g = f32_fma(load(second + 32), two, g);                                                                \
                h = f32_fma(load(second + 48), two, h);                                                                \
            } else {                                                                                                   \
                a = f32_fma(load(second), two, a);                                                                     \
                b = f32_fma(load(second + 16), two, b);                                                                \
                c = f32_fma(load(second + 32), two, c);                                                                \
                d = f32_fma(load(second + 48), two, d);                                                                \
            }                                                                                                          \
        }                                                                                                              \
        if (EDGERNN_MANY) a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);                  \
        for (; k < count; ++k) {                                                                                       \
            const kind *const column = w + list[k].at;                                                                 \
            const f32x16 by = f32_all(list[k].by);                                                                     \
            a = f32_fma(load(column), by, a);                                                                          \
            b = f32_fma(load(column + 16), by, b);                                                                     \
            c = f32_fma(load(column + 32), by, c);                                                                     \
            d = f32_fma(load(column + 48), by, d);                                                                     \
        }                                                                                                              \
        f32_store(sum, a), f32_store(sum + 16, b), f32_store(sum + 32, c), f32_store(sum + 48, d);                     \
    }                                                                                                                  \
    EDGERNN_FN void name##_one(float *sum, const kind *w, const move_f32 *list, size_t count) {                        \
        f32x16 a = f32_load(sum);                                                                                      \
        for (size_t k = 0; k < count; ++k) a = f32_fma(load(w + list[k].at / 4), f32_all(list[k].by), a);              \
        f32_store(sum, a);                                                                                             \
    }                                                                                                                  \
    EDGERNN_FN size_t name(float *y, float *sum, const kind *w, const float *scale, const float *bias, const float *x, \
                           float *held, float threshold, uint32_t *age, size_t blocks, size_t inputs) {                \
        float *const sums = scale ? sum : y;                                                                           \
        size_t moved = *age == 0;                                                                                      \
        if (!*age)                                                                                                     \
            for (size_t at = 0; at < 16 * blocks; at += 16)                                                            \
                f32_store(sums + at, bias && !scale ? f32_load(bias + at) : f32_all(0));                               \
        for (size_t i = 0; i < inputs; i += EDGERNN_DELTA_LIST) {                                                      \
            move_f32 list[EDGERNN_DELTA_LIST];                                                                         \
            const size_t some = inputs - i < EDGERNN_DELTA_LIST ? inputs - i : EDGERNN_DELTA_LIST;                     \
            const size_t count = *age ? moves_of(list, x + i, held + i, threshold, some)                               \
                                      : all_of(list, x + i, held + i, threshold, some);                                \
            if (!count) continue;                                                                                      \
            size_t at = 0;                                                                                             \
            for (size_t fours = blocks / 4; fours; --fours, at += 64)                                                  \
                name##_four(sums + at, w + at * inputs + 64 * i, list, count);                                         \
            for (size_t ones = blocks % 4; ones; --ones, at += 16)                                                     \
                name##_one(sums + at, w + at * inputs + 16 * i, list, count);                                          \
            moved += count;                                                                                            \
        }                                                                                                              \
        if (scale && moved)                                                                                            \
            for (size_t at = 0; at < 16 * blocks; at += 16) affine_end(y, f32_load(sum + at), scale, bias, at);        \
        *age = sums[0] - sums[0] == 0 ? (*age + 1) % EDGERNN_DELTA_FRESH : 0;                                          \
        return moved;                                                                                                  \
    }

EDGERNN_AFFINE_DELTA(affine_f32_delta, float, f32_load)
EDGERNN_AFFINE_DELTA(affine_f16_delta, uint16_t, f32_of_f16)
EDGERNN_AFFINE_DELTA(affine_w8_delta, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE_DELTA

#endif
