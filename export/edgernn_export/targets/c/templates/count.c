/* One stream for callgrind, which counts the instructions of its steps only. */
#include "model.h"

int main(void) {
    static model_state state;
    uint32_t random = 1;
    model_reset(&state);
    for (int t = 0; t < $steps; ++t) {
        for (size_t i = 0; i < MODEL_INPUTS; ++i) {
            random = random * 1664525u + 1013904223u;
            state.x[i] = $drawn;
        }
        if (model_advance(&state)) return 1;
    }
    return 0;
}
