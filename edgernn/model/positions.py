"""Positions: how numpy holds values that have several, and the operations on them.

A value of P positions and width W is an array (..., P, W); one of a single position is (..., W), without that axis.
"""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from edgernn.array import Array


@singledispatch
def entries(index: Any, table: Array) -> Any:
    """Return the entries, or rows, of a table at each integer of an index."""
    return table[index]


def reshaped(x: Any, before: int, after: int) -> Any:
    """Return the same elements, in row-major order, with other positions; x is of numpy or of torch."""
    lead = x.shape[:-2] if before > 1 else x.shape[:-1]
    width = x.shape[-1] * before // after
    return x.reshape(*lead, *((after,) if after > 1 else ()), width)


def gathered(x: Array, before: int, index: Sequence[int], zero: int = 0) -> Array:
    """Return the positions of an index; `zero` where it is -1."""
    rows = np.asarray(index)
    y: Array = np.take(x[..., None, :] if before == 1 else x, np.maximum(rows, 0), axis=-2)
    if (rows < 0).any():
        y[..., rows < 0, :] = zero
    return y[..., 0, :] if len(rows) == 1 else y


def grouped(x: Any, size: int) -> list[Any]:
    """Return `size` parts of x: the first of each `size` consecutive positions, the second of each, and so on."""
    groups = x.shape[-2] // size
    return [x[..., k, :] if groups == 1 else x[..., k::size, :] for k in range(size)]


def held(x: Array, last: Array, threshold: float) -> Array:
    """Return each element of x that differs from that of `last` by more than a threshold, or is NaN, else the last."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return np.where(np.abs(x - last) <= threshold, last, x)


def summed(x: Array, size: int) -> Array:
    """Return the sum of each `size` consecutive positions, added in order, as every target adds them."""
    first, *others = grouped(x, size) if size > 1 else [x]
    for each in others:
        first = first + each
    return first


def largest(x: Array, size: int) -> Array:
    """Return the largest number of each element among each `size` consecutive positions."""
    first, *others = grouped(x, size) if size > 1 else [x]
    for each in others:
        first = np.maximum(first, each)
    return first
