"""Packing of weights from -7 to 7: two integers of four bits per byte.

The first of two neighbours in a row is the low half of their byte, in two's complement, as in ONNX and TFLite. A row of
odd length ends in a half byte of -8, which is not a weight. So the length of a row follows from its bytes.
"""

import numpy as np

from edgernn.array import Array

LARGEST = 7  # symmetric: -8 is not a weight
PADDING = -8


def pack(integers: Array) -> Array:
    """Pack integers from -8 to 7 (rows, inputs) into uint8 (rows, ceil(inputs / 2))."""
    rows, inputs = integers.shape
    full = np.full((rows, inputs + inputs % 2), PADDING, np.int8)
    full[:, :inputs] = integers
    halves = full.view(np.uint8) & 15
    packed: Array = halves[:, ::2] | halves[:, 1::2] << 4
    return packed


def unpack(packed: Array) -> Array:
    """Unpack uint8 (rows, bytes) into int8 (rows, inputs)."""
    halves = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)
    signed = (halves ^ 8).astype(np.int8) - np.int8(8)
    return signed[:, : length(packed)]


def length(packed: Array) -> int:
    """Return the number of integers in each row."""
    odd = packed.size > 0 and (packed[:, -1] >> 4 == PADDING & 15).all()
    return 2 * int(packed.shape[1]) - int(odd)
