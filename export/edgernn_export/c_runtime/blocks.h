/* Blocks of sixteen rows: how weights lie in memory, and which instructions there are, by the compiler's own macros.
 *
 * A block is one register of AVX-512, two of AVX2, four of NEON, or an array in portable C99. Four blocks stand side by
 * side, column after column, so that memory is read in order while four sums share what is read of x; blocks that are
 * left over at the end stand one after another.
 *
 * A sparse matrix keeps only those columns of a block that are not zeros, and the number of each in `index`. Of four
 * blocks side by side each has as many as the fullest; `order` has the blocks' own numbers. The first four have those
 * from starts[0] to starts[1], and so on.
 */
#ifndef EDGERNN_BLOCKS_H
#define EDGERNN_BLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EDGERNN_LANES 16

/* a file that includes this need not use all of it */
#if defined(__GNUC__)
#define EDGERNN_FN static inline __attribute__((unused))
#else
#define EDGERNN_FN static inline
#endif

/* asks for memory that is needed soon; weights are read once a step, in order, and often from beyond the first cache. The
 * address is a number and no pointer, since it may lie behind the last weight. */
#if defined(__GNUC__)
#define EDGERNN_AHEAD(p, bytes) __builtin_prefetch((const void *)((uintptr_t)(p) + (uintptr_t)(bytes)))
#else
#define EDGERNN_AHEAD(p, bytes) ((void)(p))
#endif

#if defined(EDGERNN_PORTABLE) /* on request */
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__)
#define EDGERNN_AVX512 1
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define EDGERNN_AVX2 1
#include <immintrin.h>
#elif defined(__ARM_NEON) && defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define EDGERNN_NEON 1
#define EDGERNN_DOTPROD 1
#include <arm_neon.h>
#elif defined(__ARM_NEON) && (defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
#define EDGERNN_NEON 1
#include <arm_neon.h>
#endif

/* The sums of neighbours: two of a, then two of b. */
#if defined(EDGERNN_NEON) && defined(__aarch64__)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
#elif defined(EDGERNN_NEON)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) {
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
#endif

#endif
