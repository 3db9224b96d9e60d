/* The sums of four blocks side by side for four streams, in sixteen registers: each load of the weights serves four
 * streams, and each of the activations four blocks.
 */
#ifndef EDGERNN_DOTS_TILE_H
#define EDGERNN_DOTS_TILE_H

#include "dot_i8.h"
#include "hold.h"

#if defined(EDGERNN_AVX512)

/* Adds to sum[4 * t + b] of stream t and block b. Activations are bytes plus EDGERNN_Q_SHIFT, those of the next stream
 * `far` bytes further; plain ones, which are signed, are shifted by `flip`, 0x80808080. */
EDGERNN_FN void dots_tile(dots *sum, const int8_t *w, const uint8_t *q, size_t groups, size_t far, uint32_t flip) {
#define EDGERNN_TILE(do) do(0) do(1) do(2) do(3)
#define EDGERNN_SUMS(t) dots a##t = sum[4 * t], b##t = sum[4 * t + 1], c##t = sum[4 * t + 2], d##t = sum[4 * t + 3];
#define EDGERNN_DOTS(t)                                                                                                \
    {                                                                                                                  \
        dot_four four = _mm512_xor_si512(dot_read(q + t * far), shift);                                                \
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
    for (; groups; --groups, w += 256, q += 4) {
        dots first = _mm512_loadu_si512((const void *)(w)), second = _mm512_loadu_si512((const void *)(w + 64));
        dots third = _mm512_loadu_si512((const void *)(w + 128)), fourth = _mm512_loadu_si512((const void *)(w + 192));
        EDGERNN_HOLD(first);
        EDGERNN_HOLD(second);
        EDGERNN_HOLD(third);
        EDGERNN_HOLD(fourth);
        EDGERNN_TILE(EDGERNN_DOTS)
    }
    EDGERNN_TILE(EDGERNN_STORE)
#undef EDGERNN_TILE
#undef EDGERNN_SUMS
#undef EDGERNN_DOTS
#undef EDGERNN_STORE
}

#endif

#endif
