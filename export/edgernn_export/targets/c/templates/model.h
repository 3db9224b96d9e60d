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
$quantization
/* One stream: what it carries, then room for the step. Any number may be used side by side. */
typedef struct {
$fields    $frame x[$room];
    $answer y[$outputs];
$scratch} ${prefix}_state;

/* The size of a state in bytes, for callers that allocate it without this header. */
size_t ${prefix}_size(void);

/* Back to rest. A state must be reset once before its first step. */
void ${prefix}_reset(${prefix}_state *state);

/* One frame: x has $inputs numbers, y room for $outputs. $refusal */
int ${prefix}_step(${prefix}_state *state, const $frame *x, $answer *y);

/* The same without copies: from state->x to state->y, which are at these places in a state, in bytes. */
int ${prefix}_advance(${prefix}_state *state);
void ${prefix}_places(size_t places[2]);

/* Consecutive frames. Returns how many were done: fewer than steps when one must not enter. */
size_t ${prefix}_run(${prefix}_state *state, const $frame *xs, $answer *ys, size_t steps);

/* What is carried, out of a state and into one. */
void ${prefix}_get(const ${prefix}_state *state, $unit *carried);
void ${prefix}_set(${prefix}_state *state, const $unit *carried);

/* What the model reads, carries and answers: as JSON, and as widths in this order. */
const char *${prefix}_about(void);
void ${prefix}_widths(size_t widths[3]);

#ifndef EDGERNN_NO_SELF_TEST
/* 0 when this build computes what the exporter computed; 1 when it refuses a frame of the test, and place[0] is which; 2
 * when an answer differs, and then place is the frame and the element, and values are what it is, what it should be, and
 * how far it may be. */
int ${prefix}_self_test(void);
int ${prefix}_self_test_at(size_t place[2], $answer values[3]);
#endif

#ifdef __cplusplus
}
#endif
$turns
#endif
