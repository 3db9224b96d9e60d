/* $name: the step as other languages call it, with numbers in and out. Written by edgernn; do not edit. */
#ifndef ${upper}_BINDING_H
#define ${upper}_BINDING_H

#include "$name.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One step: x holds $inputs numbers, y holds $outputs. Integers of the step are quantized and dequantized here.
 * Returns 0; or 1 for a frame that is refused, and then the carried states are unchanged. */
int ${prefix}_step_numbers(${prefix}_state *state, const $number *x, float *y);

/* Consecutive frames. Returns the number of frames done: fewer than `steps` when one is refused. */
size_t ${prefix}_run_numbers(${prefix}_state *state, const $number *xs, float *ys, size_t steps);

/* As ${prefix}_set. Returns 0; or 1 for a float that is not finite, or beyond $held, and then nothing changes. */
int ${prefix}_restore(${prefix}_state *state, const $unit *carried);

#ifdef __cplusplus
}
#endif

#endif
