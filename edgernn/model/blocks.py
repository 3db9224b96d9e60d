"""Block-sparse matrices in a file: the blocks that are not zero, and one bit for each block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from edgernn.array import Array

ROWS = 16
COLUMNS = {"int8": 4}  # of a block, as the compiled kernels read it; 1 for every other dtype
ENTRY_BYTES = 256  # about what a second entry takes in the header of a file


@dataclass(frozen=True, eq=False)
class Sparse:
    """A matrix without its blocks of zeros.

    Attributes:
        blocks: (stored blocks, 16, columns), row by row of blocks; zeros beyond the ends of the matrix.
        bits: uint8, one bit for each block: whether it is stored; the first block is the highest bit.
        shape: (rows, columns) of the matrix.
    """

    blocks: Array
    bits: Array
    shape: tuple[int, int]


def packed(matrix: Array) -> Sparse | None:
    """Return a matrix without its blocks of zeros; None for an array of another rank, and where this saves no bytes.

    A negative zero counts as a weight, so that `unpacked` restores every bit.
    """
    if matrix.ndim != 2:
        return None
    columns = COLUMNS.get(matrix.dtype.name, 1)
    rows, across = _counts(matrix.shape, columns)
    full = np.zeros((rows * ROWS, across * columns), matrix.dtype)
    full[: matrix.shape[0], : matrix.shape[1]] = matrix
    each = full.reshape(rows, ROWS, across, columns).swapaxes(1, 2)
    stored = ((each != 0) | np.signbit(each)).any(axis=(2, 3))
    sparse = Sparse(each[stored], np.packbits(stored), (matrix.shape[0], matrix.shape[1]))
    return sparse if sparse.blocks.nbytes + sparse.bits.nbytes + ENTRY_BYTES < matrix.nbytes else None


def unpacked(sparse: Sparse) -> Array:
    """Return the matrix with its blocks of zeros.

    Raises:
        ValueError: blocks, bits and shape do not fit.
    """
    columns = COLUMNS.get(sparse.blocks.dtype.name, 1)
    rows, across = _counts(sparse.shape, columns)
    if sparse.bits.shape != (mask_bytes(sparse.shape, sparse.blocks.dtype),):  # unpackbits would fill in zeros
        raise ValueError(f"{sparse.bits.size} bytes of bits arrived for {rows * across} blocks")
    bits = np.unpackbits(sparse.bits, count=rows * across).astype(bool).reshape(rows, across)
    each = np.zeros((rows, across, ROWS, columns), sparse.blocks.dtype)
    each[bits] = sparse.blocks
    full = each.swapaxes(1, 2).reshape(rows * ROWS, across * columns)
    return np.ascontiguousarray(full[: sparse.shape[0], : sparse.shape[1]])


def mask_bytes(shape: tuple[int, int], dtype: DTypeLike) -> int:
    """Return the number of bytes that the bits of a matrix take."""
    rows, across = _counts(shape, COLUMNS.get(np.dtype(dtype).name, 1))
    return -(-rows * across // 8)


def _counts(shape: tuple[int, ...], columns: int) -> tuple[int, int]:
    """Return the number of blocks of a matrix, down and across."""
    return -(-shape[0] // ROWS), -(-shape[1] // columns)
