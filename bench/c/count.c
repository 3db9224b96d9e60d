/* One stream for callgrind, which counts the instructions of the steps and of nothing else. */
#include <stdlib.h>

#include "model.h"

int main(int count, char **arguments) {
    static model_state state;
    float x[MODEL_INPUTS], y[MODEL_OUTPUTS];
    const long steps = count > 1 ? strtol(arguments[1], NULL, 10) : 100;
    model_reset(&state);
    for (long t = 0; t < steps; ++t) {
        for (size_t i = 0; i < MODEL_INPUTS; ++i) x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
        if (model_step(&state, x, y)) return 1;
    }
    return 0;
}
