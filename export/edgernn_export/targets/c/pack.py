"""Packing: weights in the order in which the kernels read them, and as text."""

import numpy as np

from edgernn.readings.numpy import Array
from edgernn_export.targets.c.layout import LANES, padded

PER_LINE = 8


def rows_f32(weight: Array) -> Array:
    """(rows, inputs) -> blocks of 16 rows, column after column: c_runtime/affine_f32.h."""
    rows, inputs = weight.shape
    full = np.zeros((padded(rows), inputs), np.float32)
    full[:rows] = weight
    return full.reshape(-1, LANES, inputs).transpose(0, 2, 1).reshape(-1)


def vector(values: Array) -> Array:
    """One number per element, padded with zeros to whole blocks."""
    full = np.zeros(padded(len(values)), np.float32)
    full[: len(values)] = values
    return full


def text(values: Array) -> str:
    """A C initializer that gives back every bit."""
    words = [number(value) for value in values.tolist()]
    lines = [", ".join(words[i : i + PER_LINE]) for i in range(0, len(words), PER_LINE)]
    return "{\n    " + ",\n    ".join(lines) + ",\n}"


def number(value: float) -> str:
    """A float32 as a C literal: the shortest decimal that reads back as the same bits."""
    said = str(np.float32(value))
    return f"{said}f" if any(mark in said for mark in ".e") else f"{said}.0f"
