/* Positions that are computed together: they share each load of the weights.
 *
 * Positions are stored one after another, so what is written behind the last row of one is overwritten by the next: each
 * block of rows is computed after those that follow it.
 */
#ifndef EDGERNN_TOGETHER_H
#define EDGERNN_TOGETHER_H

#include "blocks.h"

/* How many there are registers for: with sums of floats, and with sums of integers for activations of 8 and of 16 bits; 1
 * where one fills them, or where one alone computes faster than its weights are loaded. */
#if defined(EDGERNN_AVX512) || defined(EDGERNN_DOTPROD)
#define EDGERNN_TOGETHER_F32 4
#define EDGERNN_TOGETHER_i8 4
#define EDGERNN_TOGETHER_i16 4
#elif defined(EDGERNN_AVX2) && !defined(EDGERNN_VNNI)
#define EDGERNN_TOGETHER_F32 4
#define EDGERNN_TOGETHER_i8 1
#define EDGERNN_TOGETHER_i16 2
#elif defined(EDGERNN_AVX2) || (defined(EDGERNN_NEON) && defined(__aarch64__))
#define EDGERNN_TOGETHER_F32 4
#define EDGERNN_TOGETHER_i8 2
#define EDGERNN_TOGETHER_i16 2
#else
#define EDGERNN_TOGETHER_F32 1
#define EDGERNN_TOGETHER_i8 1
#define EDGERNN_TOGETHER_i16 1
#endif

/* The place of a block in packed weights, and how far it is to its next column: `size` numbers are one column of one. */
EDGERNN_FN size_t block_start(size_t block, size_t blocks, size_t columns, size_t size) {
    const size_t beside = block < blocks / 4 * 4 ? block % 4 : 0;
    return (block - beside) * columns * size + beside * size;
}
EDGERNN_FN size_t block_far(size_t block, size_t blocks, size_t size) { return block < blocks / 4 * 4 ? 4 * size : size; }

#endif
