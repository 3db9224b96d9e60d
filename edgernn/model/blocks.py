"""Matrices with blocks of zeros, as a file keeps them: the blocks that are not, and a bit for each block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from edgernn.model.tensor import Array

ROWS = 16
COLUMNS = {"int8": 4}  # and 1 for every other dtype: as the compiled kernels read them
SPENT = 256  # bytes, about, that a second entry takes in the header of a file


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix without its blocks of zeros.

    Attributes:
        blocks: (kept, 16, columns), row of blocks after row of blocks, zeros beyond the ends of the matrix.
        bits: uint8, whether each block is kept, the first in the highest bit.
        shape: of the matrix.
    """

    blocks: Array
    bits: Array
    shape: tuple[int, int]


def packed(matrix: Array) -> Sparse | None:
    """An array without its blocks of zeros; None for what is no matrix, and where that saves nothing.

    A negative zero is no zero, so that every bit comes back.
    """
    if matrix.ndim != 2:
        return None
    columns = COLUMNS.get(matrix.dtype.name, 1)
    rows, across = _counts(matrix.shape, columns)
    full = np.zeros((rows * ROWS, across * columns), matrix.dtype)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    each = full.reshape(rows, ROWS, across, columns).swapaxes(1, 2)
    kept = (each != 0) | np.signbit(each)
    full_blocks = kept.any(axis=(2, 3))
    found = Sparse(each[full_blocks], np.packbits(full_blocks), (matrix.shape[0], matrix.shape[1]))
    return found if found.blocks.nbytes + found.bits.nbytes + SPENT < matrix.nbytes else None


def unpacked(found: Sparse) -> Array:
    """The matrix itself.

    Raises:
        ValueError: blocks, bits and shape that do not fit.
    """
    columns = COLUMNS.get(found.blocks.dtype.name, 1)
    rows, across = _counts(found.shape, columns)
    if found.bits.shape != (
        room(found.shape, found.blocks.dtype),
    ):  # unpackbits would put zeros where some are missing
        raise ValueError(f"{found.bits.size} bytes of bits arrived for {rows * across} blocks")
    bits = np.unpackbits(found.bits, count=rows * across).astype(bool).reshape(rows, across)
    each = np.zeros((rows, across, ROWS, columns), found.blocks.dtype)
    each[bits] = found.blocks
    full = each.swapaxes(1, 2).reshape(rows * ROWS, across * columns)
    return np.ascontiguousarray(full[: found.shape[0], : found.shape[1]])


def room(shape: tuple[int, int], dtype: DTypeLike) -> int:
    """How many bytes the bits of a matrix take."""
    rows, across = _counts(shape, COLUMNS.get(np.dtype(dtype).name, 1))
    return -(-rows * across // 8)


def _counts(shape: tuple[int, ...], columns: int) -> tuple[int, int]:
    """How many blocks a matrix has, down and across."""
    return -(-shape[0] // ROWS), -(-shape[1] // columns)
