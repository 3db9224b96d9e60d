"""Weights that a file stores as integers: the matrices of a graph that are still made of them become integers again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgernn.array import Array
from edgernn.model.cell import tensors, with_tensors
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor

SCHEME = "weight_only_wi8_afp32"
"""Integers of 8 bits with one scale per row, and the arithmetic of floats: what such a file computes."""

LARGEST = 127  # a row with -128 is no row of the scheme


@dataclass(frozen=True)
class IntegerRows:
    """Rows of weights: int8 (rows, columns), and float32 (rows,), the value of one integer step in each."""

    integers: Array
    scales: Array


def with_integers(graph: Graph, stored: Sequence[IntegerRows]) -> Graph:
    """Return the graph with integers in each matrix whose rows are all rows that a file stores so.

    The order of the rows does not matter, so gates may be in another order than in the file. No number changes: the
    float of each weight is its integer times the scale of its row, rounded to float32, before and after.
    """
    rows: dict[bytes, tuple[Array, np.float32]] = {}
    for each in stored:
        if np.abs(each.integers.astype(np.int16)).max(initial=0) > LARGEST:
            continue
        floats = each.integers.astype(np.float32) * each.scales[:, None]
        rows |= {f.tobytes(): (i, s) for f, i, s in zip(floats, each.integers, each.scales, strict=True)}
    return replace(graph, layers=tuple(_with_integers(graph, layer, rows) for layer in graph.layers)) if rows else graph


def _with_integers(graph: Graph, layer: Layer, rows: dict[bytes, tuple[Array, np.float32]]) -> Layer:
    operations = graph.layer_traces[layer.name].operations
    matrices = {op.args[0] for op in operations if op.name == "affine" and not op.args[0].scheme}
    fields = {}
    for name, tensor in tensors(layer.cell).items():
        parts = [rows.get(row.tobytes()) for row in tensor.stored] if tensor in matrices else []
        if parts and all(part is not None for part in parts):
            integers, scales = zip(*(part for part in parts if part is not None), strict=True)
            fields[name] = Tensor(np.stack(integers), np.array(scales, np.float32), SCHEME)
    return replace(layer, cell=with_tensors(layer.cell, fields)) if fields else layer
