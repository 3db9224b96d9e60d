/* gru4: one step of a recurrent network. Written by edgernn 0.2.0; do not edit.
 *
 *   gru: Gru, reads x
 *   scores: Dense, reads gru
 *
 * Precision fp32; graph 47a826a0efdbbc3cef3d11afa78a0e5f3eebfce9aa924f1c428975481cffae23.
 * Needs -O2 or more to be quick; -ffp-contract=off keeps dynamic int8 the same to the last bit.
 */
#ifndef GRU4_H
#define GRU4_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GRU4_INPUTS 3
#define GRU4_OUTPUTS 2
#define GRU4_CARRIED 4 /* floats, in the order of the states below */

/* One stream: what it carries, then room for the step. Any number may be used side by side. */
typedef struct {
    float gru_h[16]; /* gru.h: 4 */
    float x[16];
    float y[2];
    float scratch[64];
} gru4_state;

/* The size of a state in bytes, for callers that allocate it without this header. */
size_t gru4_size(void);

/* Back to rest. A state must be reset once before its first step. */
void gru4_reset(gru4_state *state);

/* One frame: x has 3 numbers, y room for 2. Returns 0; or 1 for a frame that must not enter
 * (not finite, or beyond 9.67e+24), and then state and y are as they were. */
int gru4_step(gru4_state *state, const float *x, float *y);

/* The same without copies: from state->x to state->y, which are at these places in a state, in bytes. */
int gru4_advance(gru4_state *state);
void gru4_places(size_t places[2]);

/* Consecutive frames. Returns how many were done: fewer than steps when one must not enter. */
size_t gru4_run(gru4_state *state, const float *xs, float *ys, size_t steps);

/* What is carried, out of a state and into one. */
void gru4_get(const gru4_state *state, float *carried);
void gru4_set(gru4_state *state, const float *carried);

/* What the model reads, carries and answers: as JSON, and as widths in this order. */
const char *gru4_about(void);
void gru4_widths(size_t widths[3]);

#ifndef EDGERNN_NO_SELF_TEST
/* 0 when this build computes what the exporter computed; 1 when it refuses a frame of the test, and place[0] is which; 2
 * when an answer differs, and then place is the frame and the element, and values are what it is, what it should be, and
 * how far it may be. */
int gru4_self_test(void);
int gru4_self_test_at(size_t place[2], float values[3]);
#endif

#ifdef __cplusplus
}
#endif

#endif
