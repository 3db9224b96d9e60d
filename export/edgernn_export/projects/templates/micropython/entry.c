/* The model as one function of MicroPython: native code that is called as its functions are, and needs nothing else. */
#include <stdint.h>
#include <string.h>

#include "${name}_binding.h"

enum { RESET, STEP, STEP_RAW, GET, RESTORE, PRIME, SELF_TEST, SIZE, ABOUT };

typedef intptr_t object; /* a small integer is tagged by its lowest bit */

/* Arguments: which function, then up to three addresses of buffers, in words. Returns a small integer. */
__attribute__((section(".text.entry"), used, visibility("default"))) object
entry(void *self, size_t count, size_t keywords, const object *arguments) {
    void *const a = (void *)((arguments[1] >> 1) * 4);
    void *const b = (void *)((arguments[2] >> 1) * 4);
    void *const c = (void *)((arguments[3] >> 1) * 4);
    object result = 0;
    (void)self, (void)count, (void)keywords;
    switch (arguments[0] >> 1) {
    case RESET: ${prefix}_reset(a); break;
    case STEP: result = ${prefix}_step_numbers(a, b, c); break;
    case STEP_RAW: result = ${prefix}_step(a, b, c); break;
    case GET: ${prefix}_get(a, b); break;
    case RESTORE: result = ${prefix}_restore(a, b); break;
    case PRIME: ${prefix}_prime(a, b); break;
    case SELF_TEST: result = ${prefix}_self_test(); break;
    case SIZE: result = (object)${prefix}_size(); break;
    case ABOUT:
        result = (object)strlen(${prefix}_about());
        if (a) memcpy(a, ${prefix}_about(), (size_t)result);
        break;
    default: result = -1;
    }
    return result * 2 + 1;
}
