/* Holds vectors in registers: a compiler would rather load one again for each of its uses, or copy a sum before each
 * instruction that adds to it, and then loads are what a tile waits for.
 */
#ifndef EDGERNN_HOLD_H
#define EDGERNN_HOLD_H

#include "blocks.h"

#if defined(__GNUC__) && defined(EDGERNN_AVX512)
#define EDGERNN_HOLD(a) __asm__("" : "+v"(a))
#define EDGERNN_HOLD_F32(a) EDGERNN_HOLD(a)
#elif defined(__GNUC__) && defined(EDGERNN_AVX2)
#define EDGERNN_HOLD(a) __asm__("" : "+x"(a))
#define EDGERNN_HOLD_F32(a) __asm__("" : "+x"((a).lo), "+x"((a).hi))
#else
#define EDGERNN_HOLD(a) ((void)0)
#define EDGERNN_HOLD_F32(a) ((void)0)
#endif

#endif
