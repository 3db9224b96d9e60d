$title
#ifndef ${upper}_H
#define ${upper}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ${upper}_INPUTS $inputs
#define ${upper}_OUTPUTS $outputs
#define ${upper}_CARRIED $carried /* $units, in the order of the states below */
$parts$quantization
/* One stream: its states, then memory for the step. Any number of streams may be used side by side. */
typedef struct {
$fields} ${prefix}_state;

/* The size of a state in bytes, for callers that allocate it without this header. */
size_t ${prefix}_size(void);

/* Sets the initial states. Reset a state once before its first step. */
void ${prefix}_reset(${prefix}_state *state);

/* $taken: x holds $inputs numbers, y holds $outputs. $refusal */
int ${prefix}_step(${prefix}_state *state, const $x_type *x, $y_type *y);

/* The same without copies: from state->x to state->y. `places` gives their byte offsets in a state. */
int ${prefix}_advance(${prefix}_state *state);
void ${prefix}_places(size_t places[2]);

/* Loads the code, the weights and the stream into the caches: runs a step on `scratch`, a copy of the stream that needs
 * no reset and is overwritten. The stream does not change. Call it shortly before a frame is due. */
void ${prefix}_prime(const ${prefix}_state *state, ${prefix}_state *scratch);

/* Consecutive frames. Returns the number of frames done: fewer than `steps` when one is refused. */
size_t ${prefix}_run(${prefix}_state *state, const $x_type *xs, $y_type *ys, size_t steps);

/* Copy the carried states out of a stream and into one. */
void ${prefix}_get(const ${prefix}_state *state, $unit *carried);
void ${prefix}_set(${prefix}_state *state, const $unit *carried);

/* The manifest of the model, as JSON; and the widths of x, of all states and of y. */
const char *${prefix}_about(void);
void ${prefix}_widths(size_t widths[3]);

#ifndef EDGERNN_NO_SELF_TEST
/* Returns 0 when this build computes the same as the exporter; 1 when it refuses a frame of the test, whose index is
 * place[0]; 2 when an answer differs: place holds the indices of the frame and of the element, values the answer, the
 * expected answer and the allowed difference. */
int ${prefix}_self_test(void);
int ${prefix}_self_test_at(size_t place[2], $y_type values[3]);
#endif

#ifdef __cplusplus
}
#endif
$conversions
#endif
