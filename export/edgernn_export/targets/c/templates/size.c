#include "model.h"

static model_state stream;

int run(void *y, const void *x);
int run(void *y, const void *x) {
    model_reset(&stream);
    return model_step(&stream, x, y);
}
