/* Blocks of sixteen rows: the memory layout of weights, and the instruction set, from the macros of the compiler.
 *
 * A block is one register of AVX-512, two of AVX2, four of NEON, or an array in portable C99; a processor without such
 * registers sums a few rows of a block at a time (EDGERNN_BY_ROWS). Four blocks are stored side by side, column after
 * column, so that memory is read in order while four sums share the loads of x. Remaining blocks are stored one after
 * another.
 *
 * A sparse matrix holds only the columns of a block that are not zeros, and their numbers in `index`. Each of four blocks
 * side by side has as many columns as the fullest one; `order` holds the numbers of the blocks. The columns of the first
 * four are those from starts[0] to starts[1], and so on.
 */
#ifndef EDGERNN_BLOCKS_H
#define EDGERNN_BLOCKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EDGERNN_LANES 16

/* a file that includes this may leave functions unused */
#if defined(__GNUC__)
#define EDGERNN_FN static inline __attribute__((unused))
#else
#define EDGERNN_FN static inline
#endif

/* Prefetches memory: weights are read once per step, in order, often from beyond the first-level cache. The address is
 * computed as an integer, because it may be behind the last weight. */
#if defined(__GNUC__)
#define EDGERNN_AHEAD(p, bytes) __builtin_prefetch((const void *)((uintptr_t)(p) + (uintptr_t)(bytes)))
#else
#define EDGERNN_AHEAD(p, bytes) ((void)(p))
#endif

#if defined(EDGERNN_PORTABLE) || defined(EDGERNN_BY_ROWS) /* on request */
#elif defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__) && !defined(EDGERNN_VNNI_256)
#define EDGERNN_AVX512 1
#define EDGERNN_VNNI 1
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define EDGERNN_AVX2 1
#include <immintrin.h>
#if defined(EDGERNN_VNNI_256) /* on request, AVX-VNNI by the same instructions of AVX-512: a processor may have only these */
#define EDGERNN_VNNI 1
#define EDGERNN_DPBUSD _mm256_dpbusd_epi32
#define EDGERNN_DPWSSD _mm256_dpwssd_epi32
#elif defined(__AVXVNNI__)
#define EDGERNN_VNNI 1
#define EDGERNN_DPBUSD _mm256_dpbusd_avx_epi32
#define EDGERNN_DPWSSD _mm256_dpwssd_avx_epi32
#endif
#elif defined(__ARM_NEON) && defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#define EDGERNN_NEON 1
#define EDGERNN_DOTPROD 1
#include <arm_neon.h>
#elif defined(__ARM_NEON) && (defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
#define EDGERNN_NEON 1
#include <arm_neon.h>
#elif defined(__SSE2__)
#define EDGERNN_SSE2 1
#include <emmintrin.h>
#elif defined(__wasm_simd128__)
#define EDGERNN_WASM 1
#include <wasm_simd128.h>
#elif defined(__ARM_FEATURE_MVE) && !defined(__ARM_BIG_ENDIAN)
#define EDGERNN_MVE 1
#define EDGERNN_BY_ROWS 1
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 77 && !defined(__ARM_BIG_ENDIAN)
#define EDGERNN_DSP 1 /* of a Cortex-M: 77 is 'M' */
#define EDGERNN_BY_ROWS 1
#include <arm_acle.h>
#elif !defined(__riscv_vector) && !defined(__ALTIVEC__) && !defined(__s390x__) && !defined(__loongarch_sx) && !defined(__ARM_NEON) && !defined(_M_X64) && !defined(_M_ARM64)
#define EDGERNN_BY_ROWS 1 /* no compiler has vectors for it */
#endif

/* Whether registers are enough for the sums of one group of inputs only. */
#if defined(EDGERNN_SSE2) || defined(EDGERNN_WASM)
#define EDGERNN_FEW 1
#else
#define EDGERNN_FEW 0
#endif

/* The sums of adjacent pairs: two of a, then two of b. */
#if defined(EDGERNN_NEON) && defined(__aarch64__)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) { return vpaddq_s32(a, b); }
#elif defined(EDGERNN_NEON)
EDGERNN_FN int32x4_t four_pairs(int32x4_t a, int32x4_t b) {
    return vcombine_s32(vpadd_s32(vget_low_s32(a), vget_high_s32(a)), vpadd_s32(vget_low_s32(b), vget_high_s32(b)));
}
#elif defined(EDGERNN_SSE2)
EDGERNN_FN __m128i four_pairs(__m128i a, __m128i b) {
    const __m128 x = _mm_castsi128_ps(a), y = _mm_castsi128_ps(b);
    const __m128i even = _mm_castps_si128(_mm_shuffle_ps(x, y, 0x88)), odd = _mm_castps_si128(_mm_shuffle_ps(x, y, 0xdd));
    return _mm_add_epi32(even, odd);
}
/* The sums of pairs of products of eight bytes and of four numbers of 16 bits, twice the same; two of each row. */
EDGERNN_FN __m128i two_rows(const int8_t *w, __m128i x) {
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)w);
    return _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8), x);
}
#elif defined(EDGERNN_WASM)
EDGERNN_FN v128_t four_pairs(v128_t a, v128_t b) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
}
EDGERNN_FN v128_t two_rows(const int8_t *w, v128_t x) { return wasm_i32x4_dot_i16x8(wasm_i16x8_load8x8(w), x); }
#endif

#endif
