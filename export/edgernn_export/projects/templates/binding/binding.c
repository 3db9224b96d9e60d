#include "${name}_binding.h"
$held_function
int ${prefix}_step_numbers(${prefix}_state *state, const $number *x, float *y) {
    for (size_t i = 0; i < $inputs; ++i) {
$check        state->x[i] = $into;
    }
    if (${prefix}_advance(state)) return 1;
    for (size_t i = 0; i < $outputs; ++i) y[i] = $out;
    return 0;
}

size_t ${prefix}_run_numbers(${prefix}_state *state, const $number *xs, float *ys, size_t steps) {
    for (size_t t = 0; t < steps; ++t)
        if (${prefix}_step_numbers(state, xs + t * $inputs, ys + t * $outputs)) return t;
    return steps;
}

int ${prefix}_restore(${prefix}_state *state, const $unit *carried) {
$checks    ${prefix}_set(state, carried);
    return 0;
}
