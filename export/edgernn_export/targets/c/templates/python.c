
/* A step as CPython calls its own functions, which costs less than a call through ctypes; `self` is the address of a
 * state as an integer. What is needed of Python belongs to its stable ABI and is looked up when the library is loaded: in a
 * program without Python there is none of it, and nothing here is called. */
typedef struct _object PyObject;
extern __attribute__((weak)) void *PyLong_AsVoidPtr(PyObject *);
extern __attribute__((weak)) PyObject *PyBool_FromLong(long);
extern __attribute__((weak)) void *PyEval_SaveThread(void);
extern __attribute__((weak)) void PyEval_RestoreThread(void *);

int ${prefix}_in_python(void) {
    return PyLong_AsVoidPtr && PyBool_FromLong && PyEval_SaveThread && PyEval_RestoreThread;
}
