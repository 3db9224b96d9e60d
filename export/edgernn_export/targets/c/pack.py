"""Packing: weights in the order in which the kernels read them, and as text."""

from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor
from edgernn_export.targets.c.layout import LANES, padded

PER_LINE = 8
GROUP = 4  # inputs that one instruction takes
SPARSE_AT_MOST = 0.7  # of the blocks: beyond, reading the index costs what the zeros would


@dataclass(frozen=True)
class Sparse:
    """The blocks of a matrix that are not zeros, four blocks of rows side by side: blocks.h."""

    kept: Array  # one after another
    index: Array  # uint16: the column, or group of inputs, of each
    starts: Array  # uint32: where each four, and then each block that is left over, begins; and the end
    order: Array  # uint16: which blocks of rows stand side by side


def rows_by_column(weight: Array) -> Array:
    """(rows, inputs) -> (blocks of 16 rows, inputs, 16), in the same dtype: c_runtime/affine_float.h."""
    rows, inputs = weight.shape
    full = np.zeros((padded(rows), inputs), weight.dtype)
    full[:rows] = weight
    return full.reshape(-1, LANES, inputs).transpose(0, 2, 1)


def rows_by_group(weight: Array) -> Array:
    """(rows, inputs) -> (blocks of 16 rows, groups of 4 inputs, 64): c_runtime/affine_i8.h."""
    rows, inputs = weight.shape
    groups = -(-inputs // GROUP)
    full = np.zeros((padded(rows), groups * GROUP), np.int8)
    full[:rows, :inputs] = weight
    return full.reshape(-1, LANES, groups, GROUP).transpose(0, 2, 1, 3).reshape(-1, groups, LANES * GROUP)


def scales_by_group(scale: Array) -> Array:
    """(rows,) or (rows, groups) -> one scale for every row, padded, group after group: c_runtime/affine_w4.h."""
    return np.concatenate([vector(each) for each in scale.reshape(len(scale), -1).T])


def sparse(packed: Array) -> Sparse | None:
    """(blocks, columns, lanes) without the columns that are zeros; None when that saves too little to pay.

    Blocks that keep about as many columns stand side by side, four of them as long as the fullest, the others filled up
    with zeros: so one loop serves four, and a processor guesses its end wrong once and not four times.
    """
    full: Array = np.asarray(packed.any(axis=2))
    order = np.argsort(-full.sum(axis=1), kind="stable")
    fours = len(order) // 4 * 4
    sets = [order[k : k + 4] for k in range(0, fours, 4)] + [order[k : k + 1] for k in range(fours, len(order))]
    sizes = [int(full[each].sum(axis=1).max()) for each in sets]
    total = sum(size * len(each) for size, each in zip(sizes, sets, strict=True))
    if total > SPARSE_AT_MOST * full.size or packed.shape[1] > np.iinfo(np.uint16).max:
        return None
    index = [np.argsort(~full[each], axis=1, kind="stable")[:, :size].T for size, each in zip(sizes, sets, strict=True)]
    kept = [packed[each, columns].reshape(-1, packed.shape[2]) for columns, each in zip(index, sets, strict=True)]
    starts = np.cumsum([0, *(columns.size for columns in index)])
    flat = np.concatenate([columns.reshape(-1) for columns in index])
    return Sparse(np.concatenate(kept), flat.astype(np.uint16), starts.astype(np.uint32), order.astype(np.uint16))


def fewer(weight: Tensor) -> Sparse | None:
    """What the kernel of a weight reads when it passes over zeros; None where it reads them too."""
    if weight.scheme in (DYNAMIC, *STATIC):
        return sparse(rows_by_group(weight.stored))
    return None if weight.scheme else sparse(rows_by_column(weight.dense(np.float32)))


def side_by_side(packed: Array) -> Array:
    """(blocks, columns, lanes) -> four blocks side by side, column after column, then what is left over: blocks.h."""
    fours = len(packed) // 4 * 4
    beside = packed[:fours].reshape(-1, 4, *packed.shape[1:]).swapaxes(1, 2)
    return np.concatenate([beside.reshape(-1), packed[fours:].reshape(-1)])


def sums_i8(weight: Array) -> Array:
    """What unsigned activations, 128 too large, add to the sum of each row, to be taken off again."""
    sums = np.zeros(padded(len(weight)), np.int32)
    sums[: len(weight)] = -128 * weight.astype(np.int32).sum(axis=1)
    return sums


def less_i8(weight: Array, bias: Array) -> Array:
    """The same taken off a bias of integers, modulo 2 ** 32."""
    sums = np.zeros(padded(len(weight)), np.int64)
    sums[: len(weight)] = bias - 128 * weight.sum(axis=1)
    return sums.astype(np.int32)


def vector(values: Array) -> Array:
    """One number per element, padded with zeros to whole blocks."""
    full = np.zeros(padded(len(values)), np.float32)
    full[: len(values)] = values
    return full


def text(values: Array) -> str:
    """A C initializer that gives back every bit."""
    whole = values.dtype.kind in "iu"
    words = [str(value) if whole else number(value) for value in values.reshape(-1).tolist()]
    each = PER_LINE * (3 if whole else 1)
    lines = [", ".join(words[i : i + each]) for i in range(0, len(words), each)]
    return "{\n    " + ",\n    ".join(lines) + ",\n}"


def number(value: float) -> str:
    """A float32 as a C literal: the shortest decimal that reads back as the same bits."""
    said = str(np.float32(value))
    return f"{said}f" if any(mark in said for mark in ".e") else f"{said}.0f"
