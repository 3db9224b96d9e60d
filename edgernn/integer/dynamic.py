"""Dynamic quantization: vectors of floats as int8, with a scale of their own."""

import numpy as np

from edgernn.array import Array

SILENCE = np.float32(1e-30)  # a vector of smaller numbers becomes zeros: 127 / 1e-37 would be infinite


def quantize_dynamic(x: Array) -> tuple[Array, Array]:
    """Quantize vectors on the last axis to int8, symmetrically: (integers, scales as float32 (..., 1)).

    It computes in float32, half to even, for any dtype of x, so the integers are those of compiled code. Vectors below
    SILENCE become zeros.
    """
    single = x.astype(np.float32)
    most = np.abs(single).max(axis=-1, keepdims=True)
    most = np.where(most > SILENCE, most, np.float32(0))
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(most > 0, np.float32(127) / most, np.float32(0))
        q: Array = np.nan_to_num(np.rint(single * inverse)).astype(
            np.int8
        )  # where x is infinite the scale is, and so the sum
    return q, most / np.float32(127)
