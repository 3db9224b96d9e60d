/* The sums of some blocks for four streams in registers: each load of the weights serves four streams, and each of the
 * activations all blocks. For instruction sets that add products of bytes in one instruction (VNNI); without it, the
 * products take longer than the loads, and nothing is gained.
 */
#ifndef EDGERNN_DOTS_TILE_H
#define EDGERNN_DOTS_TILE_H

#include "dot_i8.h"
#include "hold.h"

/* How many blocks a tile has: of four side by side, or of any; 0 where there are no tiles. */
#if defined(EDGERNN_AVX512)
#define EDGERNN_TILE_I8 4
#elif defined(EDGERNN_DPBUSD)
#define EDGERNN_TILE_I8 1
#else
#define EDGERNN_TILE_I8 0
#endif

#if EDGERNN_TILE_I8

#define EDGERNN_TILE(do) do(0) do(1) do(2) do(3)

/* Adds to sum[t * EDGERNN_TILE_I8 + b] of stream t and block b. The next group of weights is `far` bytes further; the
 * activations of the next stream are q_far bytes further, as `dot_read` takes them, where `flip` is 0; with 0x80808080
 * they are plain signed bytes. */
#if defined(EDGERNN_AVX512)
EDGERNN_FN void dots_tile(dots *sum, const int8_t *w, const uint8_t *q, size_t groups, size_t far, size_t q_far,
                          uint32_t flip) {
#define EDGERNN_SUMS(t) dots a##t = sum[4 * t], b##t = sum[4 * t + 1], c##t = sum[4 * t + 2], d##t = sum[4 * t + 3];
#define EDGERNN_DOTS(t)                                                                                                \
    {                                                                                                                  \
        const dot_four four = _mm512_xor_si512(dot_read(q + t * q_far), shift);                                        \
        a##t = _mm512_dpbusd_epi32(a##t, four, first);                                                                 \
        b##t = _mm512_dpbusd_epi32(b##t, four, second);                                                                \
        c##t = _mm512_dpbusd_epi32(c##t, four, third);                                                                 \
        d##t = _mm512_dpbusd_epi32(d##t, four, fourth);                                                                \
        EDGERNN_HOLD(a##t);                                                                                            \
        EDGERNN_HOLD(b##t);                                                                                            \
        EDGERNN_HOLD(c##t);                                                                                            \
        EDGERNN_HOLD(d##t);                                                                                            \
    }
#define EDGERNN_STORE(t) sum[4 * t] = a##t, sum[4 * t + 1] = b##t, sum[4 * t + 2] = c##t, sum[4 * t + 3] = d##t;
    const __m512i shift = _mm512_set1_epi32((int32_t)flip);
    EDGERNN_TILE(EDGERNN_SUMS)
    for (; groups; --groups, w += far, q += 4) {
        dots first = _mm512_loadu_si512((const void *)w);
        dots second = _mm512_loadu_si512((const void *)(w + 64));
        dots third = _mm512_loadu_si512((const void *)(w + 128));
        dots fourth = _mm512_loadu_si512((const void *)(w + 192));
        EDGERNN_HOLD(first);
        EDGERNN_HOLD(second);
        EDGERNN_HOLD(third);
        EDGERNN_HOLD(fourth);
        EDGERNN_TILE(EDGERNN_DOTS)
    }
    EDGERNN_TILE(EDGERNN_STORE)
}
#else
EDGERNN_FN void dots_tile(dots *sum, const int8_t *w, const uint8_t *q, size_t groups, size_t far, size_t q_far,
                          uint32_t flip) {
#define EDGERNN_SUMS(t) __m256i a##t = sum[t].at[0], b##t = sum[t].at[1];
#define EDGERNN_DOTS(t)                                                                                                \
    {                                                                                                                  \
        const dot_four four = _mm256_xor_si256(dot_read(q + t * q_far), shift);                                        \
        a##t = EDGERNN_DPBUSD(a##t, four, first);                                                                      \
        b##t = EDGERNN_DPBUSD(b##t, four, second);                                                                     \
        EDGERNN_HOLD(a##t);                                                                                            \
        EDGERNN_HOLD(b##t);                                                                                            \
    }
#define EDGERNN_STORE(t) sum[t].at[0] = a##t, sum[t].at[1] = b##t;
    const __m256i shift = _mm256_set1_epi32((int32_t)flip);
    EDGERNN_TILE(EDGERNN_SUMS)
    for (; groups; --groups, w += far, q += 4) {
        __m256i first = dot_eight(w), second = dot_eight(w + 32);
        EDGERNN_HOLD(first);
        EDGERNN_HOLD(second);
        EDGERNN_TILE(EDGERNN_DOTS)
    }
    EDGERNN_TILE(EDGERNN_STORE)
}
#endif

#undef EDGERNN_TILE
#undef EDGERNN_SUMS
#undef EDGERNN_DOTS
#undef EDGERNN_STORE

#endif

#endif
