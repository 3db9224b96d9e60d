"""The product of vectors with a matrix, as numpy computes it."""

import numpy as np

from edgernn.array import Array

FLAGGED = 5
"""Inputs for which OpenBLAS 0.3.31 with AVX-512 also computes on what earlier code left in registers and on the stack.

That does not enter the result, but may raise the flag of an invalid value.
"""


def product(x: Array, matrix: Array) -> Array:
    """Return `x @ matrix.T`, (..., outputs): x (..., inputs), matrix (outputs, inputs)."""
    if matrix.shape[1] != FLAGGED:
        y: Array = x @ matrix.T
        return y
    with np.errstate(invalid="ignore"):
        return x @ matrix.T
