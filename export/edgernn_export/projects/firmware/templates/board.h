/* The emulated board: text, an exit code, a count of instructions, and how deep the stack was. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Prints on the terminal of the emulator. */
void board_text(const char *text);
void board_number(uint32_t number);

/* Ends the emulator, which exits with this code. */
void board_exit(int code);

/* Starts the count, and returns the instructions since then, as qemu counts them; board_between rounds a difference. */
void board_start(void);
uint32_t board_count(void);
uint32_t board_between(uint32_t before, uint32_t after);

/* Executes 2 * rounds instructions: a loop of a subtraction and a branch. */
void board_loop(uint32_t rounds);

/* Fills the free stack with a pattern, and returns the bytes below the frame of the caller that have changed since. */
void board_paint(void);
uint32_t board_stack(void);

int main(void);

#endif
