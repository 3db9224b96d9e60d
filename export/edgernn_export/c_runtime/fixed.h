/* Fixed point: products with real factors, sums of them, and tanh, in integers alone.
 *
 * A factor is mantissa / 2^shift. Every word rounds once, halves up, and then saturates at the ends of its grid. Numbers
 * below zero are shifted to the right as every compiler does it that is known: the sign comes in from the left.
 */
#ifndef EDGERNN_FIXED_H
#define EDGERNN_FIXED_H

#include "blocks.h"

/* x / 2^shift, shift from 1 to 62. */
EDGERNN_FN int64_t halve(int64_t x, int shift) { return (x + ((int64_t)1 << (shift - 1))) >> shift; }

/* x * mantissa / 2^shift; |x * mantissa| is below 2^62. */
EDGERNN_FN int64_t rescale(int64_t x, int32_t mantissa, int shift) { return halve(x * mantissa, shift); }

/* a * by_a + b * by_b, of one shift; a and b have 17 bits at most. */
EDGERNN_FN int64_t rescale_sum(int32_t a, int32_t by_a, int32_t b, int32_t by_b, int shift) {
    return halve((int64_t)a * by_a + (int64_t)b * by_b, shift);
}

/* x * by + plus, of one shift. */
EDGERNN_FN int64_t rescale_plus(int32_t x, int32_t by, int64_t plus, int shift) {
    return halve((int64_t)x * by + plus, shift);
}

/* Integers counted from `zero` to their grid. */
EDGERNN_FN int8_t to_i8(int64_t q, int zero) {
    q += zero;
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
}
EDGERNN_FN int16_t to_i16(int64_t q, int zero) {
    q += zero;
    return (int16_t)(q < -32768 ? -32768 : q > 32767 ? 32767 : q);
}

/* tanh of position / 32768 in steps of 1/32768: linear between 513 entries, which are 1/64 apart. */
EDGERNN_FN int32_t tanh_fixed(const uint16_t *table, int64_t position) {
    const int64_t size = position < 0 ? -position : position;
    const int32_t at = size < (8 << 15) ? (int32_t)size : 8 << 15;
    const int32_t i = at >> 9 < 511 ? at >> 9 : 511;
    const int32_t low = table[i], high = table[i + 1];
    const int32_t t = low + (((high - low) * (at - (i << 9)) + 256) >> 9);
    return position < 0 ? -t : t;
}

#endif
