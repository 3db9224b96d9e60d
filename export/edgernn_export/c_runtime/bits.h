/* Bits of a number: which of its elements moved, one bit each. */
#ifndef EDGERNN_BITS_H
#define EDGERNN_BITS_H

#include "blocks.h"

#define EDGERNN_BITS (8 * sizeof(size_t))

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) /* where a call takes as long as what it does */
#define EDGERNN_INLINE EDGERNN_FN __attribute__((always_inline))
#else
#define EDGERNN_INLINE EDGERNN_FN
#endif

/* The first bits of a number. */
EDGERNN_INLINE size_t first_bits(size_t bits, size_t n) { return n < EDGERNN_BITS ? bits & (((size_t)1 << n) - 1) : bits; }

/* The place of the lowest bit of a number that is not 0. */
EDGERNN_INLINE size_t lowest_bit(size_t bits) {
#if defined(__GNUC__)
    return (size_t)(sizeof bits > sizeof 0u ? __builtin_ctzll(bits) : __builtin_ctz((unsigned)bits));
#else
    size_t place = 0;
    for (; !(bits & 1); bits >>= 1) ++place;
    return place;
#endif
}

/* The number with the lowest bit of each four where one of them is set; how many bits such a number has. */
EDGERNN_INLINE size_t any_of_four(size_t bits) {
    bits |= bits >> 1;
    return (bits | bits >> 2) & (size_t)-1 / 15;
}
EDGERNN_INLINE size_t count_fours(size_t fours) {
    fours = (fours & (size_t)-1 / 255) + (fours >> 4 & (size_t)-1 / 255); /* at most 2 in a byte */
    return (fours * ((size_t)-1 / 255)) >> (EDGERNN_BITS - 8);
}

#endif
