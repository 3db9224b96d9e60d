/* Steps through $name with frames of zeros and prints the last answer. Put a frame of your sensor in their place. */
#include <stdio.h>

#include "$name.h"

static ${prefix}_state stream; /* one carried state */

$entry {
    static $x_type x[${upper}_INPUTS];
    static $y_type y[${upper}_OUTPUTS];

    if (${prefix}_self_test() != 0) {
        printf("$name computes something else here than where it was exported\n");
        return$failed;
    }
    ${prefix}_reset(&stream);
    for (int frame = 0; frame < 100; ++frame) {
        if (${prefix}_step(&stream, x, y) != 0) {
            printf("frame %d is refused: it is not finite\n", frame);
            return$failed;
        }
    }
    printf("$name: %d inputs, %d outputs\n", ${upper}_INPUTS, ${upper}_OUTPUTS);
    for (int i = 0; i < ${upper}_OUTPUTS; ++i) {
        printf("$y_format", ${y_cast}y[i]);
    }
    printf("\n");
    $passed
}
