
/* A step as a function of CPython, which costs less than a call through ctypes; `self` is the address of a state as an
 * integer. The functions of Python belong to its stable ABI and are resolved when the library is loaded. In a program
 * without Python they are missing, and nothing here is called. */
typedef struct _object PyObject;
extern __attribute__((weak)) void *PyLong_AsVoidPtr(PyObject *);
extern __attribute__((weak)) PyObject *PyBool_FromLong(long);
extern __attribute__((weak)) void *PyEval_SaveThread(void);
extern __attribute__((weak)) void PyEval_RestoreThread(void *);

/* What is allocated for a stream: its state, a scratch one, and the number of steps until a step returns true though it
 * refused no frame; 0 for never. */
typedef struct {
    ${prefix}_$whole state, scratch;
    uint32_t countdown;
} ${prefix}_counted;

size_t ${prefix}_countdown_at(void) { return offsetof(${prefix}_counted, countdown); }

static int due(void *stream) {
    uint32_t *const countdown = &((${prefix}_counted *)stream)->countdown;
    return *countdown && !--*countdown;
}

int ${prefix}_in_python(void) {
    return PyLong_AsVoidPtr && PyBool_FromLong && PyEval_SaveThread && PyEval_RestoreThread;
}
