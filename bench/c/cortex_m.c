/* Steps of one stream on a Cortex-M that qemu emulates, and a loop of known length, both in ticks of the processor's timer.
 * frames.h has the frames. Prints the ticks of the loop, those of each step, and the bytes of each answer. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "frames.h"
#include "model.h"

#define TIMER ((volatile uint32_t *)(uintptr_t)0xe000e010u) /* control, reload, value; it counts down, in 24 bits */
#define LOOPS 100000u

static uint32_t since(uint32_t before) { return (before - TIMER[2]) & 0xffffffu; }

int main(void) {
    static model_state state;
    uint32_t loops = LOOPS;
    TIMER[1] = 0xffffffu, TIMER[2] = 0, TIMER[0] = 5;
    uint32_t before = TIMER[2];
    __asm__ volatile("1: subs %0, #1\n bne 1b" : "+r"(loops) : : "cc"); /* two instructions each time */
    printf("%lu %lu\n", (unsigned long)since(before), 2ul * LOOPS);
    if (model_self_test()) return 1;
    model_reset(&state);
    for (size_t t = 0; t < sizeof frames / sizeof *frames; ++t) {
        memcpy(state.x, frames[t], sizeof state.x[0] * MODEL_INPUTS);
        before = TIMER[2];
        model_advance(&state);
        printf("%lu ", (unsigned long)since(before));
        for (size_t i = 0; i < sizeof state.y[0] * MODEL_OUTPUTS; ++i) printf("%02x", ((const uint8_t *)state.y)[i]);
        printf("\n");
    }
    return 0;
}
