
PyObject *${prefix}_python_$name(PyObject *self, PyObject *none) {
    ${prefix}_$kept *const kept = (${prefix}_$kept *)PyLong_AsVoidPtr(self);
    (void)none;
    void *const thread = PyEval_SaveThread(); /* other threads may run meanwhile */
    const int refused = ${prefix}_$does(kept);
    PyEval_RestoreThread(thread);
    return PyBool_FromLong(refused);
}
