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
#include "bits.h"

#define EDGERNN_DELTA_FRESH 1024

/* Which of 16 elements moved, a bit each, and by how much all of them; those that moved are held. What is NaN has moved. */
EDGERNN_INLINE size_t moved_16(float *by, const float *x, float *held, float threshold) {
#if defined(EDGERNN_AVX512)
    const __m512 now = _mm512_loadu_ps(x), last = _mm512_loadu_ps(held), change = _mm512_sub_ps(now, last);
    const __mmask16 far = _mm512_cmp_ps_mask(_mm512_abs_ps(change), _mm512_set1_ps(threshold), _CMP_NLE_UQ);
    _mm512_storeu_ps(by, change);
    _mm512_storeu_ps(held, _mm512_mask_mov_ps(last, far, now));
    return far;
#elif defined(EDGERNN_AVX2)
    const __m256 most = _mm256_set1_ps(threshold), sign = _mm256_set1_ps(-0.0f);
    const __m256 x_a = _mm256_loadu_ps(x), x_b = _mm256_loadu_ps(x + 8);
    const __m256 held_a = _mm256_loadu_ps(held), held_b = _mm256_loadu_ps(held + 8);
    const __m256 a = _mm256_sub_ps(x_a, held_a), b = _mm256_sub_ps(x_b, held_b);
    const __m256 far_a = _mm256_cmp_ps(_mm256_andnot_ps(sign, a), most, _CMP_NLE_UQ);
    const __m256 far_b = _mm256_cmp_ps(_mm256_andnot_ps(sign, b), most, _CMP_NLE_UQ);
    const __m256 far = _mm256_or_ps(far_a, far_b);
    if (_mm256_testz_ps(far, far)) return 0;
    _mm256_storeu_ps(by, a), _mm256_storeu_ps(by + 8, b);
    _mm256_storeu_ps(held, _mm256_blendv_ps(held_a, x_a, far_a));
    _mm256_storeu_ps(held + 8, _mm256_blendv_ps(held_b, x_b, far_b));
    return (size_t)_mm256_movemask_ps(far_a) | (size_t)_mm256_movemask_ps(far_b) << 8;
#else
    size_t moved = 0;
    for (size_t i = 0; i < EDGERNN_LANES; ++i) {
        by[i] = x[i] - held[i];
        if (by[i] <= threshold && -by[i] <= threshold) continue;
        held[i] = x[i];
        moved |= (size_t)1 << i;
    }
    return moved;
#endif
}

/* The same for up to EDGERNN_BITS elements. Whole blocks are read and held: x and held have room for that. */
EDGERNN_INLINE size_t moved_of(float *by, const float *x, float *held, float threshold, size_t n) {
    size_t moved = 0;
    for (size_t i = 0; i < n; i += EDGERNN_LANES) moved |= moved_16(by + i, x + i, held + i, threshold) << i;
    return first_bits(moved, n);
}

/* The same where nothing was summed before: all elements that are not 0 once those that moved are held. */
EDGERNN_FN size_t all_of(float *by, const float *x, float *held, float threshold, size_t n) {
    size_t moved = 0;
    moved_of(by, x, held, threshold, n);
    for (size_t i = 0; i < n; ++i) {
        by[i] = held[i];
        moved |= (size_t)(held[i] != 0) << i;
    }
    return moved;
}

/* Adds the columns of what moved to four blocks side by side, or to one block. The kernel returns whether any did. */
#define EDGERNN_AFFINE_DELTA(name, kind, load)                                                                         \
    EDGERNN_FN void name##_four(float *sum, const kind *w, const float *by, size_t moved) {                            \
        f32x16 a = f32_load(sum), b = f32_load(sum + 16), c = f32_load(sum + 32), d = f32_load(sum + 48);              \
        if (EDGERNN_MANY) {                                                                                            \
            f32x16 e = f32_all(0), f = e, g = e, h = e;                                                                \
            for (size_t rest; (rest = moved & (moved - 1)); moved = rest & (rest - 1)) {                               \
                const size_t first = lowest_bit(moved), second = lowest_bit(rest);                                     \
                const kind *const column = w + 64 * first, *const next = w + 64 * second;                              \
                const f32x16 one = f32_all(by[first]), two = f32_all(by[second]);                                      \
                a = f32_fma(load(column), one, a);                                                                     \
                b = f32_fma(load(column + 16), one, b);                                                                \
                c = f32_fma(load(column + 32), one, c);                                                                \
                d = f32_fma(load(column + 48), one, d);                                                                \
                e = f32_fma(load(next), two, e);                                                                       \
                f = f32_fma(load(next + 16), two, f);                                                                  \
                g = f32_fma(load(next + 32), two, g);                                                                  \
                h = f32_fma(load(next + 48), two, h);                                                                  \
            }                                                                                                          \
            a = f32_add(a, e), b = f32_add(b, f), c = f32_add(c, g), d = f32_add(d, h);                                \
        }                                                                                                              \
        for (; moved; moved &= moved - 1) {                                                                            \
            const size_t place = lowest_bit(moved);                                                                    \
            const kind *const column = w + 64 * place;                                                                 \
            const f32x16 one = f32_all(by[place]);                                                                     \
            a = f32_fma(load(column), one, a);                                                                         \
            b = f32_fma(load(column + 16), one, b);                                                                    \
            c = f32_fma(load(column + 32), one, c);                                                                    \
            d = f32_fma(load(column + 48), one, d);                                                                    \
        }                                                                                                              \
        f32_store(sum, a), f32_store(sum + 16, b), f32_store(sum + 32, c), f32_store(sum + 48, d);                     \
    }                                                                                                                  \
    EDGERNN_FN void name##_one(float *sum, const kind *w, const float *by, size_t moved) {                             \
        f32x16 a = f32_load(sum);                                                                                      \
        for (; moved; moved &= moved - 1) {                                                                            \
            const size_t place = lowest_bit(moved);                                                                    \
            a = f32_fma(load(w + 16 * place), f32_all(by[place]), a);                                                  \
        }                                                                                                              \
        f32_store(sum, a);                                                                                             \
    }                                                                                                                  \
    EDGERNN_FN size_t name(float *y, float *sum, const kind *w, const float *scale, const float *bias, const float *x, \
                           float *held, float threshold, uint32_t *age, size_t blocks, size_t inputs) {                \
        float *const sums = scale ? sum : y;                                                                           \
        size_t any = *age == 0;                                                                                        \
        if (!*age)                                                                                                     \
            for (size_t at = 0; at < 16 * blocks; at += 16)                                                            \
                f32_store(sums + at, bias && !scale ? f32_load(bias + at) : f32_all(0));                               \
        for (size_t i = 0; i < inputs; i += EDGERNN_BITS) {                                                            \
            float by[EDGERNN_BITS];                                                                                    \
            const size_t some = inputs - i < EDGERNN_BITS ? inputs - i : EDGERNN_BITS;                                 \
            const size_t moved = *age ? moved_of(by, x + i, held + i, threshold, some)                                 \
                                      : all_of(by, x + i, held + i, threshold, some);                                  \
            if (!moved) continue;                                                                                      \
            size_t at = 0;                                                                                             \
            for (size_t fours = blocks / 4; fours; --fours, at += 64)                                                  \
                name##_four(sums + at, w + at * inputs + 64 * i, by, moved);                                           \
            for (size_t ones = blocks % 4; ones; --ones, at += 16)                                                     \
                name##_one(sums + at, w + at * inputs + 16 * i, by, moved);                                            \
            any |= moved;                                                                                              \
        }                                                                                                              \
        if (scale && any)                                                                                              \
            for (size_t at = 0; at < 16 * blocks; at += 16) affine_end(y, f32_load(sum + at), scale, bias, at);        \
        *age = sums[0] - sums[0] == 0 ? (*age + 1) % EDGERNN_DELTA_FRESH : 0;                                          \
        return any != 0;                                                                                               \
    }

EDGERNN_AFFINE_DELTA(affine_f32_delta, float, f32_load)
EDGERNN_AFFINE_DELTA(affine_f16_delta, uint16_t, f32_of_f16)
EDGERNN_AFFINE_DELTA(affine_w8_delta, int8_t, f32_of_i8)
#undef EDGERNN_AFFINE_DELTA

#endif
