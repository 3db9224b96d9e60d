/* One stream for callgrind, which counts the instructions of its steps only. */
#include <stdio.h>

#include "model.h"

int main(void) {
    static model_state state;
    FILE *const frames = fopen("frames", "rb");
    if (!frames) return 1;
    model_reset(&state);
    for (int t = 0; t < $steps; ++t)
        if (fread(state.x, sizeof *state.x, MODEL_INPUTS, frames) != MODEL_INPUTS || model_advance(&state)) return 1;
    return fclose(frames);
}
