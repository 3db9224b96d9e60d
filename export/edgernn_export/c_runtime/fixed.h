/* Fixed point: products with real factors, their sums, and tanh, in integers, on EDGERNN_AT_ONCE values at once.
 *
 * A factor is mantissa / 2^shift, shift from 1 to 62. Each operation rounds once, halves up; then `to_i8` or `to_i16`
 * adds the zero point and saturates. q32 holds integers of at most 32 bits, q64 results that are rounded and not yet
 * saturated. The vector forms, in their own files, give the same bits as the scalar form in this file; they saturate q64
 * at 32 bits, which is far outside 16 bits.
 *
 * q_hold is a where it differs from the last value by more than so many steps, else the last value.
 *
 * The scalar form needs an arithmetic right shift of negative numbers, which every known compiler has.
 */
#ifndef EDGERNN_FIXED_H
#define EDGERNN_FIXED_H

#include "fixed_avx2.h"
#include "fixed_avx512.h"
#include "fixed_dsp.h"
#include "fixed_mve.h"
#include "fixed_wasm.h"

#if !defined(EDGERNN_AT_ONCE)

#define EDGERNN_AT_ONCE 1
typedef int32_t q32;
#if !defined(EDGERNN_DSP)
typedef int64_t q64;
#endif

EDGERNN_FN q32 q_i8(const int8_t *p) { return *p; }
EDGERNN_FN q32 q_i16(const int16_t *p) { return *p; }
EDGERNN_FN q32 q_i32(const int32_t *p) { return *p; }
EDGERNN_FN void q_store_i8(int8_t *p, q32 a) { *p = (int8_t)a; }
EDGERNN_FN void q_store_i16(int16_t *p, q32 a) { *p = (int16_t)a; }
EDGERNN_FN q32 q_plus(q32 a, int32_t b) { return a + b; }
EDGERNN_FN q32 q_add(q32 a, q32 b) { return a + b; }
EDGERNN_FN q32 q_mul(q32 a, q32 b) { return a * b; }
EDGERNN_FN q32 q_times(q32 a, int32_t b) { return a * b; }
EDGERNN_FN q32 q_positive(q32 a) { return a > 0 ? a : 0; }
EDGERNN_FN q32 q_end(q64 a, int32_t low, int32_t high) { return a < low ? low : a > high ? high : (q32)a; }
EDGERNN_FN q32 q_hold(q32 a, q32 last, int32_t steps) { return a - last <= steps && last - a <= steps ? last : a; }
#if !defined(EDGERNN_DSP)
EDGERNN_FN q32 to_i8(q64 a, int zero) { return q_end(a + zero, -128, 127); }
EDGERNN_FN q32 to_i16(q64 a, int zero) { return q_end(a + zero, -32768, 32767); }
EDGERNN_FN q64 q_halve(q64 a, int shift) { return (a + ((q64)1 << (shift - 1))) >> shift; }
EDGERNN_FN q64 rescale(q32 a, int32_t mantissa, int shift) { return q_halve((q64)a * mantissa, shift); }
EDGERNN_FN q64 rescale_sum(q32 a, int32_t by_a, q32 b, int32_t by_b, int shift) {
    return q_halve((q64)a * by_a + (q64)b * by_b, shift);
}
EDGERNN_FN q64 rescale_plus(q32 a, const int32_t *by, const int64_t *plus, int shift) {
    return q_halve((q64)a * *by + *plus, shift);
}
#endif
EDGERNN_FN q64 rescale_each(q32 a, const int32_t *mantissa, const uint8_t *shift) { return rescale(a, *mantissa, *shift); }
EDGERNN_FN q32 q_table_i8(const int8_t *table, q32 i) { return table[i]; }
EDGERNN_FN q32 q_table_i16(const int16_t *table, q32 i) { return table[i]; }
/* tanh of position / 32768 in steps of 1/32768: linear between 513 entries, which are 1/64 apart. The last entry, at 8
 * (262144), is used for all larger positions. */
EDGERNN_FN q32 tanh_fixed(const uint16_t *table, q64 position) {
    const q32 bounded = q_end(position, -262144, 262144);
    const q32 at = bounded < 0 ? -bounded : bounded, i = at >> 9 < 511 ? at >> 9 : 511;
    const q32 low = table[i], high = table[i + 1];
    const q32 t = low + (((high - low) * (at - (i << 9)) + 256) >> 9);
    return position < 0 ? -t : t;
}
/* a / 2^bits, halves up. */
EDGERNN_FN q32 q_drop(q32 a, int bits) { return (a + ((q32)1 << (bits - 1))) >> bits; }

#endif

#endif
