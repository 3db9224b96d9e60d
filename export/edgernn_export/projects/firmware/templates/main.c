/* Runs the self-test of the model, and prints what a step takes: `make run`. */
#include "board.h"
$no_float#include "$stem.h"

static ${prefix}_state stream;
static $y_type y[$outputs];

#ifdef SIZE /* the model alone: `make size` */

static volatile $x_type frame[$inputs];

int main(void) {
    ${prefix}_reset(&stream);
    return ${prefix}_step(&stream, (const $x_type *)frame, y);
}

#else

#define ROUNDS 1000
#define STEPS $steps

/* The frames of the self-test, once more. */
static const $x_type frames[] = $frames;

static void line(const char *name, uint32_t number) {
    board_text(name);
    board_text(" ");
    board_number(number);
    board_text("\n");
}

static uint32_t loop(uint32_t rounds) {
    const uint32_t before = board_count();
    board_loop(rounds);
    const uint32_t after = board_count();
    return board_between(before, after);
}

/* Whether instructions are counted right: two loops differ in rounds alone. */
static int counts(void) {
    const uint32_t few = loop(ROUNDS), counted = loop(3 * ROUNDS) - few;
    line("loop_instructions", counted);
    line("loop_expected", 4 * ROUNDS);
    return counted + 2 >= 4 * ROUNDS && counted <= 4 * ROUNDS + 2; /* each is rounded */
}

static uint32_t empty_count(void) {
    const uint32_t before = board_count();
    const uint32_t after = board_count();
    return board_between(before, after);
}

int main(void) {
    uint32_t least = UINT32_MAX, most = 0, all = 0;
    board_text("model $stem on an emulated $core ($name)\n");
    const int self_test = ${prefix}_self_test();
    line("self_test", (uint32_t)self_test);

    ${prefix}_reset(&stream);
    board_paint();
    const int refused = ${prefix}_step(&stream, frames, y);
    line("stack_bytes", board_stack());
    line("stream_bytes", sizeof stream);
    line("refused", (uint32_t)refused);

    board_start();
    empty_count(); /* the first starts the timer */
    const uint32_t empty = empty_count();
    const int counted = counts();
    ${prefix}_reset(&stream);
    for (uint32_t t = 0; t < STEPS; ++t) {
        const uint32_t before = board_count();
        ${prefix}_step(&stream, frames + t * $inputs, y);
        const uint32_t after = board_count();
        const uint32_t used = board_between(before, after) - empty;
        least = used < least ? used : least;
        most = used > most ? used : most;
        all += used;
    }
    line("instructions_least", least);
    line("instructions_most", most);
    line("instructions_mean", (all + STEPS / 2) / STEPS);
    return self_test ? 1 : counted ? 0 : 2;
}

#endif
