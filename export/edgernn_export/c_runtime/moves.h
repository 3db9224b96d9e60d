/* Loops over copies, which a small processor's compiler is not to write out one by one: flash is scarce there. */
#ifndef EDGERNN_MOVES_H
#define EDGERNN_MOVES_H

#include "blocks.h"

#if defined(EDGERNN_AVX512) || defined(EDGERNN_AVX2) || defined(EDGERNN_NEON)
#define EDGERNN_ROLLED
#elif defined(__clang__)
#define EDGERNN_ROLLED _Pragma("nounroll")
#elif defined(__GNUC__) && __GNUC__ >= 8
#define EDGERNN_ROLLED _Pragma("GCC unroll 1")
#else
#define EDGERNN_ROLLED
#endif

#endif
