
PyObject *${prefix}_python_$name(PyObject *self, PyObject *none) {
    ${prefix}_$stream *const stream = (${prefix}_$stream *)PyLong_AsVoidPtr(self);
    (void)none;
    void *const thread = PyEval_SaveThread(); /* other threads may run meanwhile */
    $call;
    PyEval_RestoreThread(thread);
    return PyBool_FromLong($refused);
}
