$title

$no_float$include

#if defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#define CALLED __attribute__((noinline))
#else
#define ALIGNED
#define CALLED
#endif

$kernels
$constants

static void ${prefix}_compute(${prefix}_state *state, $y_type *y) {
$begin$statements

    /* the answer and the new states */
$results
$finish}

size_t ${prefix}_size(void) { return sizeof(${prefix}_state); }

void ${prefix}_reset(${prefix}_state *state) {
    memset(state, 0, sizeof *state);$resets
}

CALLED int ${prefix}_advance(${prefix}_state *state) {
$check_in_place    ${prefix}_compute(state, state->y);
    return 0;
}

int ${prefix}_step(${prefix}_state *state, const $x_type *x, $y_type *y) {
$check    memcpy(state->x, x, $inputs * sizeof *x);
    ${prefix}_compute(state, y);
    return 0;
}

void ${prefix}_prime(const ${prefix}_state *state, ${prefix}_state *scratch) {
    memcpy(scratch, state, sizeof *scratch);$stale
    while (${prefix}_advance(scratch)) memset(scratch->x, 0, sizeof scratch->x); /* state->x may be a refused frame */
}

size_t ${prefix}_run(${prefix}_state *state, const $x_type *xs, $y_type *ys, size_t steps) {
    for (size_t t = 0; t < steps; ++t)
        if (${prefix}_step(state, xs + t * $inputs, ys + t * $outputs)) return t;
    return steps;
}

void ${prefix}_get(const ${prefix}_state *state, $unit *carried) {$gets
}

void ${prefix}_set(${prefix}_state *state, const $unit *carried) {$sets
}

$about

const char *${prefix}_about(void) { return about; }

void ${prefix}_widths(size_t widths[3]) {
    widths[0] = $inputs;
    widths[1] = $elements;
    widths[2] = $outputs;
}

void ${prefix}_places(size_t places[2]) {
    places[0] = offsetof(${prefix}_state, x);
    places[1] = offsetof(${prefix}_state, y);
}

#ifndef EDGERNN_NO_SELF_TEST
static const $x_type test_x[] = $test_x;

static const $y_type test_y[] = $test_y;

int ${prefix}_self_test_at(size_t place[2], $y_type values[3]) {
    const $y_type most = $test_error;
    ${prefix}_state state;
    $y_type y[$outputs];
    ${prefix}_reset(&state);
    for (size_t t = 0; t != $test_steps; ++t) {
        place[0] = t, place[1] = 0;
        if (${prefix}_step(&state, test_x + t * $inputs, y)) return 1;
        for (size_t i = 0; i < $outputs; ++i) {
            const $y_type expected = test_y[t * $outputs + i];
            place[1] = i;
            values[0] = y[i], values[1] = expected, values[2] = most;
            if ($test_differs) return 2;
        }
    }
    return 0;
}

int ${prefix}_self_test(void) {
    size_t place[2];
    $y_type values[3];
    return ${prefix}_self_test_at(place, values);
}
#endif
