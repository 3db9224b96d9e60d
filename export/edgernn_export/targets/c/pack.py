"""Packing: weights in the order in which the kernels read them, and as C initializers."""

from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor
from edgernn_export.targets.c.layout import LANES, padded

PER_LINE = 8
GROUP = 4  # inputs per dot product of one instruction
MAX_DENSITY = 0.7  # share of the blocks that are not zeros; above it, reading the index costs as much as the zeros
EIGHT = 8  # weights of a band that one instruction reads
BANDED = 0.25  # share of a matrix; above it, the dense kernel adds more products in less time


@dataclass(frozen=True)
class SparseBlocks:
    """The blocks of a matrix that are not zeros, with four blocks of rows side by side, as c_runtime/blocks.h says.

    Attributes:
        blocks: the blocks, one after another.
        index: uint16, the column (or group of inputs) of each block.
        starts: uint32, where each set of four, and then each remaining block of rows, starts; last the end.
        order: uint16, which blocks of rows are side by side.
    """

    blocks: Array
    index: Array
    starts: Array
    order: Array


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
    """(rows,) or (rows, groups) -> one scale per row, padded, group after group: c_runtime/affine_w4.h."""
    return np.concatenate([padded_vector(each) for each in scale.reshape(len(scale), -1).T])


def without_zeros(packed: Array) -> SparseBlocks | None:
    """(blocks, columns, lanes) without the columns that are zeros; None when too few are.

    Blocks of rows with similar numbers of columns are side by side. Each set of four is padded with zeros to its
    fullest block, so that one loop serves four and a processor mispredicts its end once.
    """
    full: Array = np.asarray(packed.any(axis=2))
    order = np.argsort(-full.sum(axis=1), kind="stable")
    fours = len(order) // 4 * 4
    sets = [order[k : k + 4] for k in range(0, fours, 4)] + [order[k : k + 1] for k in range(fours, len(order))]
    sizes = [int(full[each].sum(axis=1).max()) for each in sets]
    total = sum(size * len(each) for size, each in zip(sizes, sets, strict=True))
    if total > MAX_DENSITY * full.size or packed.shape[1] > np.iinfo(np.uint16).max:
        return None
    index = [np.argsort(~full[each], axis=1, kind="stable")[:, :size].T for size, each in zip(sizes, sets, strict=True)]
    blocks = [packed[each, columns].reshape(-1, packed.shape[2]) for columns, each in zip(index, sets, strict=True)]
    starts = np.cumsum([0, *(columns.size for columns in index)])
    flat = np.concatenate([columns.reshape(-1) for columns in index])
    return SparseBlocks(
        np.concatenate(blocks), flat.astype(np.uint16), starts.astype(np.uint32), order.astype(np.uint16)
    )


def sparse_blocks(weight: Tensor) -> SparseBlocks | None:
    """The blocks that the sparse kernel of a weight reads; None where the dense kernel is used."""
    if weight.scheme in (DYNAMIC, *STATIC):
        return without_zeros(rows_by_group(weight.stored))
    return None if weight.scheme else without_zeros(rows_by_column(weight.dense(np.float32)))


@dataclass(frozen=True)
class Bands:
    """The weights of a matrix whose rows have few that are not zero, side by side: c_runtime/affine_banded.h.

    Attributes:
        weights: float32, the weights of each row in eights, one row after another.
        bands: uint16, the first column of each row, and how many eights it has.
    """

    weights: Array
    bands: Array


def in_bands(weight: Tensor) -> Bands | None:
    """The weights in bands; None where that is more than a part BANDED of the matrix, and for quantized weights."""
    if weight.scheme or weight.shape[1] < EIGHT or weight.shape[1] > np.iinfo(np.uint16).max:
        return None
    dense = weight.dense(np.float32)
    first = np.argmax(dense != 0, axis=1)
    eights = -(-(dense.shape[1] - np.argmax(dense[:, ::-1] != 0, axis=1) - first) // EIGHT) * dense.any(axis=1)
    if EIGHT * eights.sum() > BANDED * dense.size:
        return None
    first = np.minimum(first, dense.shape[1] - EIGHT * eights)
    if (first < 0).any():
        return None
    rows = [row[at : at + EIGHT * each] for row, at, each in zip(dense, first, eights, strict=True)]
    return Bands(np.concatenate(rows), np.stack([first, eights], axis=1).astype(np.uint16).ravel())


def side_by_side(packed: Array) -> Array:
    """(blocks, columns, lanes) -> sets of four blocks, column after column, then the remaining blocks: blocks.h."""
    fours = len(packed) // 4 * 4
    sets = packed[:fours].reshape(-1, 4, *packed.shape[1:]).swapaxes(1, 2)
    return np.concatenate([sets.reshape(-1), packed[fours:].reshape(-1)])


def sums_i8(weight: Array) -> Array:
    """int32 (rows,): the correction of each row's sum for unsigned activations, which are 128 too large."""
    sums = np.zeros(padded(len(weight)), np.int32)
    sums[: len(weight)] = -128 * weight.astype(np.int32).sum(axis=1)
    return sums


def shifted_bias_i8(weight: Array, bias: Array) -> Array:
    """int32 (rows,): an integer bias with that correction, modulo 2 ** 32."""
    sums = np.zeros(padded(len(weight)), np.int64)
    sums[: len(weight)] = bias - 128 * weight.sum(axis=1)
    return sums.astype(np.int32)


def padded_vector(values: Array) -> Array:
    """float32: the values, padded with zeros to whole blocks."""
    full = np.zeros(padded(len(values)), np.float32)
    full[: len(values)] = values
    return full


def initializer(values: Array) -> str:
    """A C initializer that gives the same bits."""
    whole, flat = values.dtype.kind in "iu", values.reshape(-1)
    each = PER_LINE * (3 if whole else 1)
    between, end = (", ", "") if whole else ("f, ", "f")  # str of a float32 always has a point or an exponent
    numbers = flat.tolist() if whole else flat.astype(np.float32)
    lines = [between.join(map(str, numbers[i : i + each])) for i in range(0, len(numbers), each)]
    return "{\n    " + f"{end},\n    ".join(lines) + f"{end},\n}}"


def literal(value: float) -> str:
    """A float32 as a C literal: the shortest decimal with the same bits."""
    decimal = str(np.float32(value))
    return f"{decimal}f" if any(mark in decimal for mark in ".e") else f"{decimal}.0f"
