/* One stream for callgrind, which counts the instructions of its steps and of nothing else. */
#include "model.h"

int main(void) {
    static model_state state;
    static $frame x[MODEL_INPUTS];
    float y[MODEL_OUTPUTS];
    uint32_t random = 1;
    model_reset(&state);
    for (int t = 0; t < $steps; ++t) {
        for (size_t i = 0; i < MODEL_INPUTS; ++i) {
            random = random * 1664525u + 1013904223u;
            x[i] = $drawn;
        }
        if (model_step(&state, x, y)) return 1;
    }
    return 0;
}
