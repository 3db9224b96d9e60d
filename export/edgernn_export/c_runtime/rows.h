/* Sixteen exact sums of products of integers, a few rows at a time: for processors with few registers (microcontrollers).
 *
 * Weights are stored as in dot_i8.h, and start at a multiple of 4: the four of a row in a group are a word. The next group
 * is `far` bytes further. A sparse block is one of `beside` side by side, and `index` holds its groups of x (see blocks.h).
 */
#ifndef EDGERNN_ROWS_H
#define EDGERNN_ROWS_H

#include "blocks.h"

#if defined(EDGERNN_DSP)

/* Four numbers as pairs of 16 bits: x0 and x2, x1 and x3. */
typedef struct {
    int16x2_t even, odd;
} rows_four;
/* Bytes 1 and 3. The instruction rotates, which no intrinsic has, and compilers rotate before it. */
EDGERNN_FN int16x2_t rows_odd(int8x4_t four) {
    int16x2_t odd;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(four));
    return odd;
}
EDGERNN_FN rows_four rows_wide(int8x4_t four) {
    rows_four y;
    y.even = __sxtb16(four), y.odd = rows_odd(four);
    return y;
}
EDGERNN_FN rows_four rows_read_i8(const int8_t *p) {
    int8x4_t four;
    memcpy(&four, p, sizeof four);
    return rows_wide(four);
}
EDGERNN_FN rows_four rows_read_i16(const int16_t *p) {
    uint32_t low, high;
    rows_four y;
    memcpy(&low, p, sizeof low), memcpy(&high, p + 2, sizeof high);
    y.even = (int16x2_t)((low & 0xffffu) | high << 16), y.odd = (int16x2_t)(low >> 16 | (high & 0xffff0000u));
    return y;
}
EDGERNN_FN int32_t rows_dot(int32_t sum, const int8_t *w, rows_four x) {
    int8x4_t four;
    memcpy(&four, __builtin_assume_aligned(w, 4), sizeof four);
    const rows_four each = rows_wide(four);
    return __smlad(each.odd, x.odd, __smlad(each.even, x.even, sum));
}
#elif defined(EDGERNN_BY_ROWS) && !defined(EDGERNN_MVE)

typedef struct {
    int32_t first, second, third, fourth;
} rows_four;
#define EDGERNN_ROWS_READ(name, kind)                                                                                  \
    EDGERNN_FN rows_four name(const kind *p) {                                                                         \
        rows_four y;                                                                                                   \
        y.first = p[0], y.second = p[1], y.third = p[2], y.fourth = p[3];                                              \
        return y;                                                                                                      \
    }
EDGERNN_ROWS_READ(rows_read_i8, int8_t)
EDGERNN_ROWS_READ(rows_read_i16, int16_t)
#undef EDGERNN_ROWS_READ
EDGERNN_FN int32_t rows_dot(int32_t sum, const int8_t *w, rows_four x) {
    sum += w[0] * x.first, sum += w[1] * x.second;
    sum += w[2] * x.third, sum += w[3] * x.fourth;
    return sum;
}

#endif

#if defined(EDGERNN_BY_ROWS) && !defined(EDGERNN_MVE)

#define EDGERNN_ROWS_FOUR                                                                                              \
    a = rows_dot(a, group, four);                                                                                      \
    b = rows_dot(b, group + 4, four);                                                                                  \
    c = rows_dot(c, group + 8, four);                                                                                  \
    d = rows_dot(d, group + 12, four);
#define EDGERNN_ROWS_SUMS(suffix, kind)                                                                                \
    EDGERNN_FN void sums_##suffix(int32_t *sum, const int8_t *w, const kind *x, size_t groups, size_t far) {           \
        const kind *const end = x + 4 * groups;                                                                        \
        for (size_t rows = EDGERNN_LANES / 4; rows; --rows, sum += 4, w += 16) {                                       \
            const int8_t *group = w;                                                                                   \
            int32_t a = 0, b = 0, c = 0, d = 0;                                                                        \
            for (const kind *p = x; p != end; p += 4, group += far) {                                                  \
                const rows_four four = rows_read_##suffix(p);                                                          \
                EDGERNN_ROWS_FOUR                                                                                      \
            }                                                                                                          \
            sum[0] = a, sum[1] = b, sum[2] = c, sum[3] = d;                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    EDGERNN_FN void sums_##suffix##_sparse(int32_t *sum, const int8_t *w, const uint16_t *index, const kind *x,        \
                                           size_t groups, size_t beside) {                                             \
        for (size_t rows = EDGERNN_LANES / 4; rows; --rows, sum += 4, w += 16) {                                       \
            const int8_t *group = w;                                                                                   \
            const uint16_t *at = index;                                                                                \
            int32_t a = 0, b = 0, c = 0, d = 0;                                                                        \
            for (size_t left = groups; left; --left, at += beside, group += 64 * beside) {                             \
                const rows_four four = rows_read_##suffix(x + 4 * (size_t)*at);                                        \
                EDGERNN_ROWS_FOUR                                                                                      \
            }                                                                                                          \
            sum[0] = a, sum[1] = b, sum[2] = c, sum[3] = d;                                                            \
        }                                                                                                              \
    }
EDGERNN_ROWS_SUMS(i8, int8_t)
EDGERNN_ROWS_SUMS(i16, int16_t)
#undef EDGERNN_ROWS_FOUR
#undef EDGERNN_ROWS_SUMS

#elif defined(EDGERNN_MVE)

/* Sixteen elements of x, or the first of them. Elements of 16 bits are those with even and with odd numbers, which is how
 * bytes are widened. */
typedef int8x16_t rows_x_i8;
typedef struct {
    int16x8_t even, odd;
} rows_x_i16;
EDGERNN_FN rows_x_i8 rows_all_i8(const int8_t *x) { return vldrbq_s8(x); }
EDGERNN_FN rows_x_i8 rows_some_i8(const int8_t *x, mve_pred16_t some) { return vldrbq_z_s8(x, some); }
EDGERNN_FN rows_x_i16 rows_all_i16(const int16_t *x) {
    const uint16x8_t two = vidupq_n_u16(0, 2);
    rows_x_i16 y;
    y.even = vldrhq_gather_shifted_offset_s16(x, two), y.odd = vldrhq_gather_shifted_offset_s16(x + 1, two);
    return y;
}
EDGERNN_FN rows_x_i16 rows_some_i16(const int16_t *x, mve_pred16_t some) {
    const uint16x8_t two = vidupq_n_u16(0, 2);
    rows_x_i16 y;
    y.even = vldrhq_gather_shifted_offset_z_s16(x, two, some);
    y.odd = vldrhq_gather_shifted_offset_z_s16(x + 1, two, some);
    return y;
}
/* sum + w x, with the words of a row of four groups. */
EDGERNN_FN int32_t rows_dot_i8(int32_t sum, uint32x4_t w, rows_x_i8 x) {
    return vmladavaq_s8(sum, vreinterpretq_s8_u32(w), x);
}
EDGERNN_FN int32_t rows_dot_i16(int32_t sum, uint32x4_t w, rows_x_i16 x) {
    const int8x16_t bytes = vreinterpretq_s8_u32(w);
    return vmladavaq_s16(vmladavaq_s16(sum, vmovlbq_s8(bytes), x.even), vmovltq_s8(bytes), x.odd);
}
/* The addresses of a row in four groups. */
EDGERNN_FN uint32x4_t rows_at(const int8_t *w, size_t far) {
    return vaddq_n_u32(vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)far), (uint32_t)(uintptr_t)w);
}
#define EDGERNN_ROWS_FOUR(dot, load)                                                                                   \
    a = dot(a, load(0), y);                                                                                            \
    b = dot(b, load(4), y);                                                                                            \
    c = dot(c, load(8), y);                                                                                            \
    d = dot(d, load(12), y);
#define EDGERNN_ROWS_ALL(offset) vldrwq_gather_base_u32(at, offset)
#define EDGERNN_ROWS_SOME(offset) vldrwq_gather_base_z_u32(at, offset, some)
#define EDGERNN_ROWS_SUMS(suffix, kind)                                                                                \
    EDGERNN_FN void sums_##suffix(int32_t *sum, const int8_t *w, const kind *x, size_t groups, size_t far) {           \
        const mve_pred16_t some = vctp32q((uint32_t)groups % 4);                                                       \
        for (size_t rows = EDGERNN_LANES / 4; rows; --rows, sum += 4, w += 16) {                                       \
            uint32x4_t at = rows_at(w, far);                                                                           \
            const kind *p = x;                                                                                         \
            int32_t a = 0, b = 0, c = 0, d = 0;                                                                        \
            for (size_t fours = groups / 4; fours; --fours, p += 16, at = vaddq_n_u32(at, 4 * (uint32_t)far)) {        \
                const rows_x_##suffix y = rows_all_##suffix(p);                                                        \
                EDGERNN_ROWS_FOUR(rows_dot_##suffix, EDGERNN_ROWS_ALL)                                                 \
            }                                                                                                          \
            if (groups % 4) {                                                                                          \
                const rows_x_##suffix y = rows_some_##suffix(p, some);                                                 \
                EDGERNN_ROWS_FOUR(rows_dot_##suffix, EDGERNN_ROWS_SOME)                                                \
            }                                                                                                          \
            sum[0] = a, sum[1] = b, sum[2] = c, sum[3] = d;                                                            \
        }                                                                                                              \
    }
EDGERNN_ROWS_SUMS(i8, int8_t)
EDGERNN_ROWS_SUMS(i16, int16_t)
#undef EDGERNN_ROWS_FOUR
#undef EDGERNN_ROWS_ALL
#undef EDGERNN_ROWS_SOME
#undef EDGERNN_ROWS_SUMS

/* Of a sparse block, some groups of x at a time are gathered. */
#define EDGERNN_ROWS_SPARSE(suffix, kind)                                                                              \
    EDGERNN_FN void sums_##suffix##_sparse(int32_t *sum, const int8_t *w, const uint16_t *index, const kind *x,        \
                                           size_t groups, size_t beside) {                                             \
        memset(sum, 0, EDGERNN_LANES * sizeof *sum);                                                                   \
        while (groups) {                                                                                               \
            const size_t some = groups < EDGERNN_GATHERED ? groups : EDGERNN_GATHERED;                                 \
            kind near[4 * EDGERNN_GATHERED];                                                                           \
            int32_t more[EDGERNN_LANES];                                                                               \
            for (size_t i = 0; i < some; ++i, index += beside)                                                         \
                memcpy(near + 4 * i, x + 4 * (size_t)*index, 4 * sizeof *x);                                           \
            sums_##suffix(more, w, near, some, 64 * beside);                                                           \
            for (size_t r = 0; r < EDGERNN_LANES; ++r) sum[r] += more[r];                                              \
            groups -= some, w += 64 * beside * some;                                                                   \
        }                                                                                                              \
    }
#define EDGERNN_GATHERED 32
EDGERNN_ROWS_SPARSE(i8, int8_t)
EDGERNN_ROWS_SPARSE(i16, int16_t)
#undef EDGERNN_ROWS_SPARSE
#undef EDGERNN_GATHERED

#endif

#endif
