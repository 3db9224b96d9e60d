/* Native code of a .mpy file, called as MicroPython calls it: placed CODE ADDRESS INPUTS OUTPUTS < frames > answers.
 * The code is put at the address; frames and answers are 32-bit numbers. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { RESET, STEP, SELF_TEST = 6, SIZE = 7 };

typedef intptr_t object;
typedef object (*code)(void *, size_t, size_t, const object *);

static object call(code entry, object function, const void *a, const void *b, const void *c) {
    const object arguments[4] = {function * 2 + 1, (object)((uintptr_t)a >> 2 << 1) + 1,
                                 (object)((uintptr_t)b >> 2 << 1) + 1, (object)((uintptr_t)c >> 2 << 1) + 1};
    return entry(NULL, 4, 0, arguments) >> 1;
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    const uintptr_t place = strtoul(arguments[2], NULL, 0), page = place & ~(uintptr_t)4095;
    const size_t inputs = strtoul(arguments[3], NULL, 0), outputs = strtoul(arguments[4], NULL, 0);
    void *const memory = mmap((void *)page, 1 << 20, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != (void *)page) return 3;
    FILE *const file = fopen(arguments[1], "rb");
    if (!file || fread((void *)place, 1, 1 << 19, file) == 0 || fclose(file) != 0) return 4;
    __builtin___clear_cache((char *)memory, (char *)memory + (1 << 20));
#ifdef __thumb__
    const code entry = (code)(place | 1);
#elif defined(__arm__)
    const code entry = (code)(place | 1); /* M profile: thumb code, called from ARM code */
#else
    const code entry = (code)place;
#endif
    if (call(entry, SELF_TEST, NULL, NULL, NULL) != 0) return 5;
    void *const state = malloc((size_t)call(entry, SIZE, NULL, NULL, NULL));
    uint32_t *const x = malloc(inputs * 4), *const y = malloc(outputs * 4);
    call(entry, RESET, state, NULL, NULL);
    while (fread(x, 4, inputs, stdin) == inputs) {
        if (call(entry, STEP, state, x, y) != 0) return 6;
        fwrite(y, 4, outputs, stdout);
    }
    return 0;
}
