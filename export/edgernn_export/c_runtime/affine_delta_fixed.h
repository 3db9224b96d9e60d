/* y = W x + b in integers, from the sums of the step before: only the groups of inputs that changed are read.
 *
 * `x` is the input now and `last` that of the step before; W is packed as in affine_i8.h, in groups of four inputs. The
 * sums are the same bits whichever way they are computed, so all groups are read where that is faster, and where a change
 * of 16 bits has 17. Without vector instructions, single columns are read. `age` is 0 at the first step.
 */
#ifndef EDGERNN_AFFINE_DELTA_FIXED_H
#define EDGERNN_AFFINE_DELTA_FIXED_H

#include "affine_fixed.h"

/* The time of a group by itself, in that of one among all. */
#if defined(EDGERNN_AVX512)
#define EDGERNN_DELTA_COST_I8 5
#define EDGERNN_DELTA_COST_I16 1
#elif defined(EDGERNN_DOTPROD)
#define EDGERNN_DELTA_COST_I8 8
#define EDGERNN_DELTA_COST_I16 1
#elif defined(EDGERNN_AVX2) || defined(EDGERNN_NEON)
#define EDGERNN_DELTA_COST_I8 1
#define EDGERNN_DELTA_COST_I16 1
#else /* a column by itself takes as long as one among all */
#define EDGERNN_DELTA_COST_I8 0
#define EDGERNN_DELTA_COST_I16 0
#endif

#define EDGERNN_DELTA_SOME 64 /* inputs whose changes are listed at a time */

/* What changed: the places of groups, or of columns, and by how much. */
typedef struct {
    uint16_t at[EDGERNN_DELTA_SOME];
    int16_t by[EDGERNN_DELTA_SOME];
    size_t count;
} changes_fixed;

/* The place of a block in packed weights, and how far it is to its next group: see blocks.h. */
EDGERNN_FN size_t delta_start(size_t block, size_t blocks, size_t groups) {
    const size_t beside = block < blocks / 4 * 4 ? block % 4 : 0;
    return 64 * ((block - beside) * groups + beside);
}

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_NEON)
#define EDGERNN_DELTA_UNIT 4 /* groups: their changes are read by dot_i16 */
EDGERNN_FN void delta_sums(int32_t *sum, const int8_t *w, const changes_fixed *list, size_t far) {
    wide a = wide_zero(), b = a;
    int32_t more[EDGERNN_LANES];
    size_t k = 0;
    for (; k + 2 <= list->count; k += 2) {
        a = dot_i16(a, w + far * list->at[k], wide_read(list->by + 4 * k));
        b = dot_i16(b, w + far * list->at[k + 1], wide_read(list->by + 4 * k + 4));
    }
    if (k < list->count) a = dot_i16(a, w + far * list->at[k], wide_read(list->by + 4 * k));
    wide_store(more, wide_add(a, b));
    for (size_t r = 0; r < EDGERNN_LANES; ++r) sum[r] += more[r];
}
#else
#define EDGERNN_DELTA_UNIT 1 /* columns, four at a time, so that a sum is loaded once for four */
EDGERNN_FN void delta_sums(int32_t *sum, const int8_t *w, const changes_fixed *list, size_t far) {
    for (size_t k = 0; k < list->count; k += 4) {
        const int8_t *column[4];
        int32_t by[4];
        for (size_t i = 0; i < 4; ++i) {
            const size_t at = list->at[k + i < list->count ? k + i : k];
            column[i] = w + far * (at / 4) + at % 4;
            by[i] = k + i < list->count ? list->by[k + i] : 0;
        }
        for (size_t r = 0; r < EDGERNN_LANES; ++r)
            sum[r] += column[0][4 * r] * by[0] + column[1][4 * r] * by[1] + column[2][4 * r] * by[2] + column[3][4 * r] * by[3];
    }
}
#endif

/* Lists the changes from element i on; returns 0 where one does not fit. A group is four elements, `unit` of them. */
#define EDGERNN_CHANGES(suffix, kind)                                                                                  \
    EDGERNN_FN size_t changed_##suffix(const kind *x, const kind *last, size_t inputs) {                               \
        size_t count = 0, i = 0;                                                                                       \
        for (; i + 4 <= inputs; i += 4) count += memcmp(x + i, last + i, 4 * sizeof *x) != 0;                          \
        return count + (memcmp(x + i, last + i, (inputs - i) * sizeof *x) != 0);                                       \
    }                                                                                                                  \
    EDGERNN_FN int list_##suffix(changes_fixed *list, const kind *x, const kind *last, size_t n) {                     \
        list->count = 0;                                                                                               \
        for (size_t i = 0; i < n; i += EDGERNN_DELTA_UNIT) {                                                           \
            int some = 0, far = 0;                                                                                     \
            for (size_t k = 0; k < EDGERNN_DELTA_UNIT; ++k) {                                                          \
                const int by = i + k < n ? x[i + k] - last[i + k] : 0;                                                 \
                list->by[EDGERNN_DELTA_UNIT * list->count + k] = (int16_t)by;                                          \
                some |= by, far |= by != (int16_t)by;                                                                  \
            }                                                                                                          \
            if (far) return 0;                                                                                         \
            list->at[list->count] = (uint16_t)(i / EDGERNN_DELTA_UNIT);                                                \
            list->count += some != 0;                                                                                  \
        }                                                                                                              \
        return 1;                                                                                                      \
    }                                                                                                                  \
    EDGERNN_FN int delta_##suffix(int32_t *sum, const int8_t *w, const kind *x, const kind *last, size_t blocks,       \
                                  size_t groups, size_t inputs) {                                                      \
        for (size_t i = 0; i < inputs; i += EDGERNN_DELTA_SOME) {                                                      \
            changes_fixed list;                                                                                        \
            const size_t some = inputs - i < EDGERNN_DELTA_SOME ? inputs - i : EDGERNN_DELTA_SOME;                     \
            if (!list_##suffix(&list, x + i, last + i, some)) return 0;                                                \
            for (size_t block = 0; list.count && block < blocks; ++block) {                                            \
                const size_t far = block < blocks / 4 * 4 ? 256 : 64;                                                  \
                delta_sums(sum + 16 * block, w + delta_start(block, blocks, groups) + far * (i / 4), &list, far);      \
            }                                                                                                          \
        }                                                                                                              \
        return 1;                                                                                                      \
    }                                                                                                                  \
    EDGERNN_FN void all_##suffix(int32_t *sum, const int8_t *w, const kind *x, size_t blocks, size_t groups) {         \
        const int32_t below = blocks < 4 ? 0 : sums_##suffix##_below(x, groups);                                       \
        for (; blocks >= 4; blocks -= 4, w += 256 * groups, sum += 64)                                                 \
            sums_##suffix##_four(sum, w, x, below, groups);                                                            \
        for (; blocks; --blocks, w += 64 * groups, sum += 16) sums_##suffix(sum, w, x, groups, 64);                    \
    }
EDGERNN_CHANGES(i8, int8_t)
EDGERNN_CHANGES(i16, int16_t)
#undef EDGERNN_CHANGES

/* Returns 0 where nothing changed, so that y is what it was. blocks: rows / 16, groups: inputs / 4, both rounded up. */
#define EDGERNN_AFFINE_DELTA(name, to, from, suffix, cost)                                                             \
    EDGERNN_FN size_t name##_delta(to *y, int32_t *sum, const int8_t *w, const int32_t *bias, const int32_t *mantissa, \
                                   const uint8_t *shift, int zero, const from *x, const from *last, uint32_t *age,     \
                                   size_t blocks, size_t groups, size_t inputs) {                                      \
        const size_t count = *age ? changed_##suffix(x, last, inputs) : groups;                                        \
        if (!count) return 0;                                                                                          \
        if (!*age || count * cost >= groups || !delta_##suffix(sum, w, x, last, blocks, groups, inputs))               \
            all_##suffix(sum, w, x, blocks, groups);                                                                   \
        for (size_t block = 0; block < blocks; ++block)                                                                \
            name##_end(y, sum + 16 * block, bias, mantissa, shift, zero, 16 * block);                                  \
        *age = 1;                                                                                                      \
        return count;                                                                                                  \
    }
EDGERNN_AFFINE_DELTA(affine_i8_to_i8, int8_t, int8_t, i8, EDGERNN_DELTA_COST_I8)
EDGERNN_AFFINE_DELTA(affine_i8_to_i16, int16_t, int8_t, i8, EDGERNN_DELTA_COST_I8)
EDGERNN_AFFINE_DELTA(affine_i16_to_i8, int8_t, int16_t, i16, EDGERNN_DELTA_COST_I16)
EDGERNN_AFFINE_DELTA(affine_i16_to_i16, int16_t, int16_t, i16, EDGERNN_DELTA_COST_I16)
#undef EDGERNN_AFFINE_DELTA

#endif
