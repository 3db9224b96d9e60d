/* One stream that takes all frames. Without an argument it takes them and makes no step. */
#include <stdio.h>

#include "model.h"

int main(int count, char **arguments) {
    static model_state state;
    FILE *const frames = fopen("frames", "rb");
    (void)arguments;
    if (!frames) return 1;
    model_reset(&state);
    for (int t = 0; t < $steps; ++t) {
        if (fread(state.x, sizeof *state.x, MODEL_INPUTS, frames) != MODEL_INPUTS) return 1;
        if (count > 1 && model_advance(&state)) return 1;
    }
    return fclose(frames);
}
