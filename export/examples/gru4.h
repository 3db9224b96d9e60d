/* gru4: one step of a recurrent network. Written by edgernn 0.2.0; do not edit.
 *
 *   gru: Gru, reads x
 *   scores: Dense, reads gru
 *
 * Precision fp32; graph 47a826a0efdbbc3cef3d11afa78a0e5f3eebfce9aa924f1c428975481cffae23.
 * Compile with -O2 or more for speed, and with -ffp-contract=off for the same bits of dynamic int8.
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

/* One stream: its states, then memory for the step. Any number of streams may be used side by side. */
typedef struct {
    float gru_h[16]; /* gru.h: 4 */
    float x[16];
    float y[2];
    float scratch[64];
} gru4_state;

/* The size of a state in bytes, for callers that allocate it without this header. */
size_t gru4_size(void);

/* Sets the initial states. Reset a state once before its first step. */
void gru4_reset(gru4_state *state);

/* One frame: x holds 3 numbers, y holds 2. Returns 0; or 1 for a frame that is refused
 * (not finite, or beyond 9.67e+24), and then state and y are unchanged. */
int gru4_step(gru4_state *state, const float *x, float *y);

/* The same without copies: from state->x to state->y. `places` gives their byte offsets in a state. */
int gru4_advance(gru4_state *state);
void gru4_places(size_t places[2]);

/* Loads the code, the weights and the stream into the caches: runs a step on `scratch`, a copy of the stream that needs
 * no reset and is overwritten. The stream does not change. Call it shortly before a frame is due. */
void gru4_prime(const gru4_state *state, gru4_state *scratch);

/* Consecutive frames. Returns the number of frames done: fewer than `steps` when one is refused. */
size_t gru4_run(gru4_state *state, const float *xs, float *ys, size_t steps);

/* Copy the carried states out of a stream and into one. */
void gru4_get(const gru4_state *state, float *carried);
void gru4_set(gru4_state *state, const float *carried);

/* The manifest of the model, as JSON; and the widths of x, of all states and of y. */
const char *gru4_about(void);
void gru4_widths(size_t widths[3]);

#ifndef EDGERNN_NO_SELF_TEST
/* Returns 0 when this build computes the same as the exporter; 1 when it refuses a frame of the test, whose index is
 * place[0]; 2 when an answer differs: place holds the indices of the frame and of the element, values the answer, the
 * expected answer and the allowed difference. */
int gru4_self_test(void);
int gru4_self_test_at(size_t place[2], float values[3]);
#endif

#ifdef __cplusplus
}
#endif

#endif
