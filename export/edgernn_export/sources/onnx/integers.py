"""DequantizeLinear of constants: weights that the file stores as integers of 8 bits around zero."""

from collections.abc import Sequence

import numpy as np

from edgernn.array import Array
from edgernn_export.sources.foreign.integers import IntegerRows
from edgernn_export.sources.onnx.call import Call


def integer_rows(call: Call, operands: Sequence[Array | None]) -> list[IntegerRows]:
    """Return the rows of a matrix of weights as they are, and transposed, where each has one scale; else none.

    Args:
        call: a DequantizeLinear.
        operands: the integers, their scale, and their zero point.
    """
    x, scale, zero, *_ = (*operands, None)
    if x is None or scale is None or x.dtype not in (np.int8, np.uint8) or call.get("block_size", 0):
        return []
    lead = int(x.ndim == 3 and x.shape[0] == 1)  # the direction of a recurrent operator
    axis = call.get("axis", 1) % max(1, x.ndim) - lead
    shifted = x.astype(np.int16) - (0 if zero is None else _along(zero.astype(np.int16), call.get("axis", 1), x.ndim))
    matrix = shifted[0] if lead else shifted
    if matrix.ndim != 2 or np.abs(matrix).max(initial=0) > np.iinfo(np.int8).max:
        return []
    integers, scales = matrix.astype(np.int8), np.ravel(scale).astype(np.float32)
    rows = []
    for own, array in ((0, integers), (1, integers.T)):
        if scales.size == 1 or own == axis:
            rows.append(IntegerRows(np.ascontiguousarray(array), np.broadcast_to(scales, len(array)).copy()))
    return rows


def _along(values: Array, axis: int, rank: int) -> Array:
    """Return values of an axis in a shape that broadcasts along it."""
    return values if values.size == 1 else values.reshape([-1 if i == axis % rank else 1 for i in range(rank)])
