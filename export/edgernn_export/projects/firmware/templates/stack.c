/* The depth of the stack, and numbers as text. */
#include "board.h"

#define PATTERN 0xA5C3F00Du
#define DISTANCE 64 /* words below this frame that the functions here may use */

extern uint32_t bss_end[];

void board_paint(void) {
    uint32_t *const last = (uint32_t *)__builtin_frame_address(0) - DISTANCE;
    for (volatile uint32_t *at = bss_end; at < last; ++at) *at = PATTERN;
}

uint32_t board_stack(void) {
    const uint32_t *at = bss_end;
    while (*at == PATTERN) ++at;
    return (uint32_t)((const char *)__builtin_frame_address(0) - (const char *)at);
}

void board_number(uint32_t number) {
    char text[11], *at = text + 10;
    *at = 0;
    do *--at = (char)('0' + number % 10);
    while (number /= 10);
    board_text(at);
}
