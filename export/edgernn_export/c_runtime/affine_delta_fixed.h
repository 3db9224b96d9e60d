/* y = W held + b in integers, from the sums of the step before: only the groups of four inputs that moved are read.
 *
 * `held` is the input as it was last used. An element of x that differs from it by more than so many steps replaces it.
 * W is packed as in affine_i8.h. The sums are the same bits whichever way they are computed, so all groups are read where
 * that takes fewer instructions, and where a change does not fit the type of x. Without vector instructions, single
 * columns are read. `age` is 0 at the first step.
 */
#ifndef EDGERNN_AFFINE_DELTA_FIXED_H
#define EDGERNN_AFFINE_DELTA_FIXED_H

#include "affine_fixed.h"
#include "moved_fixed.h"

/* All groups are read where at least so many percent of them moved: where both ways take as many instructions, the least of
 * matrices of 192 by 64, 96 by 128 and 48 by 32, counted by callgrind on x86-64-v3 and x86-64. AVX-512, which callgrind
 * does not know, is timed; others have the numbers of x86-64-v3. */
#if defined(EDGERNN_VNNI) /* changes take two dot products, all inputs one */
#define EDGERNN_DELTA_MOST_I8 40
#define EDGERNN_DELTA_MOST_I16 60
#elif defined(EDGERNN_AVX2) || defined(EDGERNN_NEON)
#define EDGERNN_DELTA_MOST_I8 62
#define EDGERNN_DELTA_MOST_I16 55
#elif defined(EDGERNN_SSE2)
#define EDGERNN_DELTA_MOST_I8 88
#define EDGERNN_DELTA_MOST_I16 88
#elif defined(EDGERNN_MVE) /* counted by qemu, as the next, where two columns of a group moved */
#define EDGERNN_DELTA_MOST_I8 9
#define EDGERNN_DELTA_MOST_I16 15
#elif defined(EDGERNN_DSP)
#define EDGERNN_DELTA_MOST_I8 37
#define EDGERNN_DELTA_MOST_I16 62
#else /* a column by itself takes as long as one among all */
#define EDGERNN_DELTA_MOST_I8 100
#define EDGERNN_DELTA_MOST_I16 100
#endif

/* Adds to the sums of a block what moved: the groups whose lowest bit `fours` has. The next one is `far` bytes further. */
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_NEON) || defined(EDGERNN_SSE2)
#define EDGERNN_DELTA_GROUPS 1
EDGERNN_FN void delta_sums_i16(int32_t *sum, const int8_t *w, const int16_t *by, size_t fours, size_t far) {
    int32_t more[EDGERNN_LANES];
    wide a = wide_zero();
    for (; fours; fours &= fours - 1) {
        const size_t at = lowest_bit(fours);
        a = dot_i16(a, w + far / 4 * at, wide_read(by + at));
    }
    wide_store(more, a);
    for (size_t r = 0; r < EDGERNN_LANES; ++r) sum[r] += more[r];
}
/* Where activations are EDGERNN_Q_SHIFT too large, so are changes: `shift` is that times the weights. */
EDGERNN_FN void delta_add(int32_t *sum, dots a, dots shift) {
    int32_t more[EDGERNN_LANES], less[EDGERNN_LANES];
    dot_store(more, a), dot_store(less, shift);
    for (size_t r = 0; r < EDGERNN_LANES; ++r) sum[r] += EDGERNN_Q_SHIFT ? more[r] - less[r] : more[r];
}
EDGERNN_FN void delta_sums_i8(int32_t *sum, const int8_t *w, const int8_t *by, size_t fours, size_t far) {
    const int8_t none[4] = {0};
    dots a = dot_zero(), shift = a;
    for (; fours; fours &= fours - 1) {
        const size_t at = lowest_bit(fours);
        a = dot_i8(a, w + far / 4 * at, dot_read_i8(by + at));
        if (EDGERNN_Q_SHIFT) shift = dot_i8(shift, w + far / 4 * at, dot_read_i8(none));
    }
    delta_add(sum, a, shift);
}
#else
#define EDGERNN_DELTA_GROUPS 0
/* Single columns, whose bits `moved` has; four at a time, so that a sum is loaded once for four. */
#define EDGERNN_DELTA_SUMS(suffix, kind)                                                                               \
    EDGERNN_FN void delta_sums_##suffix(int32_t *sum, const int8_t *w, const kind *by, size_t moved, size_t far) {     \
        while (moved) {                                                                                                \
            const int8_t *column[4];                                                                                   \
            int32_t some[4];                                                                                           \
            for (size_t k = 0; k < 4; ++k) {                                                                           \
                const size_t at = moved ? lowest_bit(moved) : 0;                                                       \
                column[k] = w + far * (at / 4) + at % 4;                                                               \
                some[k] = moved ? by[at] : 0;                                                                          \
                moved &= moved - (moved != 0);                                                                         \
            }                                                                                                          \
            for (size_t r = 0; r < 4 * EDGERNN_LANES; r += 4)                                                          \
                *sum++ += column[0][r] * some[0] + column[1][r] * some[1] + column[2][r] * some[2] + column[3][r] * some[3];\
            sum -= EDGERNN_LANES;                                                                                      \
        }                                                                                                              \
    }
EDGERNN_DELTA_SUMS(i8, int8_t)
EDGERNN_DELTA_SUMS(i16, int16_t)
#undef EDGERNN_DELTA_SUMS
#endif

/* The same for four blocks side by side. `below` is that of all changes, which are 0 in groups that are not read. */
EDGERNN_FN void delta_sums_i16_four(int32_t *sum, const int8_t *w, const int16_t *by, int32_t below, size_t fours) {
    (void)below;
    for (size_t k = 0; k < 4; ++k) delta_sums_i16(sum + 16 * k, w + 64 * k, by, fours, 256);
}
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_DOTPROD)
EDGERNN_FN void delta_sums_i8_four(int32_t *sum, const int8_t *w, const int8_t *by, int32_t below, size_t fours) {
    const int32_t none[EDGERNN_LANES] = {0};
    const dot_four zero = dot_read_many_i8((const int8_t *)none);
    dots a = dot_begin_many(none, below), b = a, c = a, d = a, e = dot_zero(), f = e, g = e, h = e;
    for (; fours; fours &= fours - 1) {
        const size_t at = lowest_bit(fours);
        const int8_t *const group = w + 64 * at;
        const dot_four four = dot_read_many_i8(by + at);
        a = dot_i8_many(a, group, four);
        b = dot_i8_many(b, group + 64, four);
        c = dot_i8_many(c, group + 128, four);
        d = dot_i8_many(d, group + 192, four);
        if (!EDGERNN_Q_SHIFT) continue;
        e = dot_i8_many(e, group, zero);
        f = dot_i8_many(f, group + 64, zero);
        g = dot_i8_many(g, group + 128, zero);
        h = dot_i8_many(h, group + 192, zero);
    }
    delta_add(sum, a, e), delta_add(sum + 16, b, f), delta_add(sum + 32, c, g), delta_add(sum + 48, d, h);
}
#else
EDGERNN_FN void delta_sums_i8_four(int32_t *sum, const int8_t *w, const int8_t *by, int32_t below, size_t fours) {
    (void)below;
    for (size_t k = 0; k < 4; ++k) delta_sums_i8(sum + 16 * k, w + 64 * k, by, fours, 256);
}
#endif

/* How many groups moved; more than there are where a change does not fit. Then: what moved is held, and all groups are
 * read, or those that moved. */
#define EDGERNN_DELTA(suffix, kind)                                                                                    \
    EDGERNN_INLINE size_t far_##suffix(const kind *x, const kind *held, int32_t steps, size_t inputs) {                \
        size_t count = 0, large = 0;                                                                                   \
        for (size_t i = 0; i < inputs; i += EDGERNN_BITS) {                                                            \
            const size_t some = inputs - i < EDGERNN_BITS ? inputs - i : EDGERNN_BITS;                                 \
            size_t moved = 0;                                                                                          \
            for (size_t k = 0; k < some; k += EDGERNN_LANES) {                                                         \
                size_t wide = 0;                                                                                       \
                moved |= far_16_##suffix(x + i + k, held + i + k, steps, &wide) << k;                                  \
                large |= first_bits(wide, some - k);                                                                   \
            }                                                                                                          \
            count += count_fours(any_of_four(first_bits(moved, some)));                                                \
        }                                                                                                              \
        return count && large ? 2 * inputs : count;                                                                    \
    }                                                                                                                  \
    EDGERNN_INLINE void all_##suffix(int32_t *sum, const int8_t *w, const kind *x, kind *held, int32_t steps,          \
                                     size_t blocks, size_t groups, size_t inputs) {                                    \
        kind by[EDGERNN_LANES];                                                                                        \
        for (size_t i = 0; i < inputs; i += EDGERNN_LANES) hold_16_##suffix(by, x + i, held + i, steps);               \
        const int32_t below = blocks < 4 ? 0 : sums_##suffix##_below(held, groups);                                    \
        for (; blocks >= 4; blocks -= 4, w += 256 * groups, sum += 64)                                                 \
            sums_##suffix##_four(sum, w, held, below, groups);                                                         \
        for (; blocks; --blocks, w += 64 * groups, sum += 16) sums_##suffix(sum, w, held, groups, 64);                 \
    }                                                                                                                  \
    EDGERNN_INLINE void some_##suffix(int32_t *sum, const int8_t *w, const kind *x, kind *held, int32_t steps,         \
                                      size_t blocks, size_t groups, size_t inputs) {                                   \
        for (size_t i = 0; i < inputs; i += EDGERNN_BITS) {                                                            \
            const size_t some = inputs - i < EDGERNN_BITS ? inputs - i : EDGERNN_BITS;                                 \
            size_t moved = 0, block = 0;                                                                               \
            kind by[EDGERNN_BITS];                                                                                     \
            for (size_t k = 0; k < some; k += EDGERNN_LANES)                                                           \
                moved |= hold_16_##suffix(by + k, x + i + k, held + i + k, steps) << k;                                \
            for (size_t k = some; k % 4; ++k) by[k] = 0;                                                               \
            moved = first_bits(moved, some);                                                                           \
            if (!moved) continue;                                                                                      \
            if (EDGERNN_DELTA_GROUPS) moved = any_of_four(moved);                                                      \
            const int32_t below = blocks < 4 ? 0 : sums_##suffix##_below(by, (some + 3) / 4);                          \
            for (; block + 4 <= blocks; block += 4)                                                                    \
                delta_sums_##suffix##_four(sum + 16 * block, w + 64 * (block * groups + i), by, below, moved);         \
            for (; block < blocks; ++block)                                                                            \
                delta_sums_##suffix(sum + 16 * block, w + 64 * block * groups + 16 * i, by, moved, 64);                \
        }                                                                                                              \
    }
EDGERNN_DELTA(i8, int8_t)
EDGERNN_DELTA(i16, int16_t)
#undef EDGERNN_DELTA

/* Returns whether anything moved; y is what it was where nothing did. blocks: rows / 16, groups: inputs / 4, both rounded
 * up. */
#define EDGERNN_AFFINE_DELTA(name, to, from, suffix, most)                                                             \
    EDGERNN_FN size_t name##_delta(to *y, int32_t *sum, const int8_t *w, const int32_t *bias, const int32_t *mantissa, \
                                   const uint8_t *shift, int zero, const from *x, from *held, int32_t steps,           \
                                   uint32_t *age, size_t blocks, size_t groups, size_t inputs) {                       \
        const size_t count = *age ? far_##suffix(x, held, steps, inputs) : 2 * inputs;                                 \
        if (!count) return 0;                                                                                          \
        if (100 * count >= most * groups)                                                                              \
            all_##suffix(sum, w, x, held, steps, blocks, groups, inputs);                                              \
        else                                                                                                           \
            some_##suffix(sum, w, x, held, steps, blocks, groups, inputs);                                             \
        for (size_t block = 0; block < blocks; ++block)                                                                \
            name##_end(y, sum + 16 * block, bias, mantissa, shift, zero, 16 * block);                                  \
        *age = 1;                                                                                                      \
        return 1;                                                                                                      \
    }
EDGERNN_AFFINE_DELTA(affine_i8_to_i8, int8_t, int8_t, i8, EDGERNN_DELTA_MOST_I8)
EDGERNN_AFFINE_DELTA(affine_i8_to_i16, int16_t, int8_t, i8, EDGERNN_DELTA_MOST_I8)
EDGERNN_AFFINE_DELTA(affine_i16_to_i8, int8_t, int16_t, i16, EDGERNN_DELTA_MOST_I16)
EDGERNN_AFFINE_DELTA(affine_i16_to_i16, int16_t, int16_t, i16, EDGERNN_DELTA_MOST_I16)
#undef EDGERNN_AFFINE_DELTA

#endif
