"""Packing: weights in the order in which the kernels read them, and as text."""

import numpy as np

from edgernn.readings.numpy import Array
from edgernn_export.targets.c.layout import LANES, padded

PER_LINE = 8
GROUP = 4  # inputs that one instruction takes


def rows_f32(weight: Array) -> Array:
    """(rows, inputs) -> blocks of 16 rows, column after column: c_runtime/affine_f32.h."""
    rows, inputs = weight.shape
    full = np.zeros((padded(rows), inputs), np.float32)
    full[:rows] = weight
    return full.reshape(-1, LANES, inputs).transpose(0, 2, 1).reshape(-1)


def rows_i8(weight: Array) -> Array:
    """(rows, inputs) -> blocks of 16 rows by 4 inputs: c_runtime/affine_i8.h."""
    rows, inputs = weight.shape
    groups = -(-inputs // GROUP)
    full = np.zeros((padded(rows), groups * GROUP), np.int8)
    full[:rows, :inputs] = weight
    return full.reshape(-1, LANES, groups, GROUP).transpose(0, 2, 1, 3).reshape(-1)


def sums_i8(weight: Array) -> Array:
    """What unsigned activations, 128 too large, add to the sum of each row, to be taken off again."""
    sums = np.zeros(padded(len(weight)), np.int32)
    sums[: len(weight)] = -128 * weight.astype(np.int32).sum(axis=1)
    return sums


def vector(values: Array) -> Array:
    """One number per element, padded with zeros to whole blocks."""
    full = np.zeros(padded(len(values)), np.float32)
    full[: len(values)] = values
    return full


def text(values: Array) -> str:
    """A C initializer that gives back every bit."""
    whole = values.dtype.kind == "i"
    words = [str(value) if whole else number(value) for value in values.tolist()]
    each = PER_LINE * (3 if whole else 1)
    lines = [", ".join(words[i : i + each]) for i in range(0, len(words), each)]
    return "{\n    " + ",\n    ".join(lines) + ",\n}"


def number(value: float) -> str:
    """A float32 as a C literal: the shortest decimal that reads back as the same bits."""
    said = str(np.float32(value))
    return f"{said}f" if any(mark in said for mark in ".e") else f"{said}.0f"
