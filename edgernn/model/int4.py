"""Two integers of four bits in a byte: how weights from -7 to 7 are packed.

Of two neighbours in a row the first stands in the low half of their byte, in two's complement, as in ONNX and TFLite.
A row of an odd length ends in a half that holds -8, which no weight is: so the bytes alone say how long it was.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGEST = 7  # symmetric: -8 is not a weight
NOTHING = -8


def pack(whole: Array) -> Array:
    """(rows, inputs) integers from -8 to 7 -> uint8 (rows, half as many, rounded up)."""
    rows, inputs = whole.shape
    full = np.full((rows, inputs + inputs % 2), NOTHING, np.int8)
    full[:, :inputs] = whole
    halves = full.view(np.uint8) & 15
    packed: Array = halves[:, ::2] | halves[:, 1::2] << 4
    return packed


def unpack(packed: Array) -> Array:
    """uint8 (rows, bytes) -> int8 (rows, inputs)."""
    halves = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)
    signed = (halves ^ 8).astype(np.int8) - np.int8(8)
    return signed[:, : length(packed)]


def length(packed: Array) -> int:
    """How many integers each row holds."""
    odd = packed.size > 0 and (packed[:, -1] >> 4 == NOTHING & 15).all()
    return 2 * int(packed.shape[1]) - int(odd)
