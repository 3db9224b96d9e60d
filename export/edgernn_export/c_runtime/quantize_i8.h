/* Quantizes a vector of float32 to int8 with one scale: inv = 127 / max |x|, q = round(x * inv), half to even.
 *
 * It writes q + EDGERNN_Q_SHIFT, the form that the dot product of the instruction set takes.
 */
#ifndef EDGERNN_QUANTIZE_I8_H
#define EDGERNN_QUANTIZE_I8_H

#include "dot_i8.h"
#include "lanes.h"

#define EDGERNN_SILENCE 1e-30f /* a vector of smaller numbers becomes zeros: 127 / 1e-37 would be infinite */

/* The largest of sixteen numbers that are not negative. */
EDGERNN_FN float f32_most(f32x16 a) {
#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2)
#if defined(EDGERNN_AVX512)
    const __m256d low = _mm512_maskz_extractf64x4_pd(0xff, _mm512_castps_pd(a), 0);
    const __m256d high = _mm512_maskz_extractf64x4_pd(0xff, _mm512_castps_pd(a), 1);
    const __m256 eight = _mm256_max_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
#else
    const __m256 eight = _mm256_max_ps(a.lo, a.hi);
#endif
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
#elif defined(EDGERNN_NEON)
    return four_most(vmaxq_f32(vmaxq_f32(a.val[0], a.val[1]), vmaxq_f32(a.val[2], a.val[3])));
#elif defined(EDGERNN_WASM)
    v128_t four = wasm_f32x4_splat(0); /* pmax(a, b) is a < b ? b : a, and so passes over NaN in b */
    for (int k = 0; k < EDGERNN_LANES; k += 4) four = wasm_f32x4_pmax(four, wasm_v128_load(a.at + k));
    const v128_t two = wasm_f32x4_pmax(four, wasm_i32x4_shuffle(four, four, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(wasm_f32x4_pmax(two, wasm_i32x4_shuffle(two, two, 1, 0, 3, 2)), 0);
#else
    float most = 0;
    for (int k = 0; k < EDGERNN_LANES; ++k) most = a.at[k] > most ? a.at[k] : most;
    return most;
#endif
}

/* Rounds sixteen numbers of magnitude at most 127 to bytes. */
EDGERNN_FN void q_store(uint8_t *q, f32x16 x) {
#if defined(EDGERNN_AVX512)
    const __m128i bytes = _mm512_maskz_cvtepi32_epi8(0xffff, _mm512_maskz_cvtps_epi32(0xffff, x));
    _mm_storeu_si128((__m128i *)(void *)q, _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
#elif defined(EDGERNN_AVX2)
    const __m256i pairs = _mm256_packs_epi32(_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi));
    const __m256i w = _mm256_permute4x64_epi64(pairs, 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    _mm_storeu_si128((__m128i *)(void *)q, EDGERNN_Q_SHIFT ? _mm_xor_si128(bytes, _mm_set1_epi8(-128)) : bytes);
#elif defined(EDGERNN_NEON)
    int16x4_t h[4];
    for (int k = 0; k < 4; ++k) h[k] = vqmovn_s32(four_round(x.val[k]));
    vst1q_s8((int8_t *)(void *)q, vcombine_s8(vqmovn_s16(vcombine_s16(h[0], h[1])), vqmovn_s16(vcombine_s16(h[2], h[3]))));
#elif defined(EDGERNN_WASM)
    v128_t n[4]; /* NaN, which infinity times zero is, becomes 0 */
    for (int k = 0; k < 4; ++k) n[k] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_v128_load(x.at + 4 * k)));
    wasm_v128_store(q, wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(n[0], n[1]), wasm_i16x8_narrow_i32x4(n[2], n[3])));
#else
    /* half to even without libm: a sum of this size has no fraction; volatile keeps the compiler from removing it */
    for (int k = 0; k < EDGERNN_LANES; ++k) {
        const int sane = x.at[k] > -127.5f && x.at[k] < 127.5f; /* infinity times zero is NaN */
        volatile float moved = (sane ? x.at[k] : 0.0f) + 12582912.0f;
        q[k] = (uint8_t)(int8_t)(moved - 12582912.0f);
    }
#endif
}

/* Returns the scale, max |x| / 127; 0 for a vector below EDGERNN_SILENCE, which becomes zeros. q holds n bytes, rounded
 * up to a multiple of 16. */
EDGERNN_FN float quantize_i8(uint8_t *q, const float *x, size_t n) {
    const f32x16 zero = f32_all(0);
    const size_t whole = n / EDGERNN_LANES * EDGERNN_LANES;
    float rest[EDGERNN_LANES] = {0};
    memcpy(rest, x + whole, (n - whole) * sizeof *x);
    f32x16 top = f32_max(f32_load(rest), f32_sub(zero, f32_load(rest)));
    for (size_t i = 0; i < whole; i += EDGERNN_LANES) {
        const f32x16 a = f32_load(x + i);
        top = f32_max(top, f32_max(a, f32_sub(zero, a)));
    }
    const float most = f32_most(top);
    const f32x16 inv = f32_all(most > EDGERNN_SILENCE ? 127.0f / most : 0.0f);
    for (size_t i = 0; i < whole; i += EDGERNN_LANES) q_store(q + i, f32_mul(f32_load(x + i), inv));
    if (whole < n) q_store(q + whole, f32_mul(f32_load(rest), inv));
    return most > EDGERNN_SILENCE ? most / 127.0f : 0.0f;
}

#endif
