
#include <string.h>

/* Whether floats among the carried states are numbers that a state may hold. */
static int held(const $unit *carried, size_t at, size_t width) {
    for (size_t i = 0; i < width; ++i) {
        float value;
        memcpy(&value, carried + at + i * ${float_units}u, sizeof value);
        if (!(value <= $held && value >= -$held)) return 0;
    }
    return 1;
}
