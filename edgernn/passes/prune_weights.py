"""Pruning of weights: zeros in the matrices of affines, in a pattern, and every shape as it was."""

from collections.abc import Collection, Mapping

import numpy as np

from edgernn.errors import UsageError
from edgernn.files.toml import misspelt
from edgernn.model.cell import tensors
from edgernn.model.graph import Graph, Layer
from edgernn.model.tensor import Array, Tensor
from edgernn.passes import keep as keeping
from edgernn.passes.patterns import Blocks, Matrix, Pattern
from edgernn.passes.units import Units, units


def prune_weights(graph: Graph, pattern: Pattern, *, keep: Collection[str] = ()) -> Graph:
    """The same graph with zeros in a pattern, exactly as many as it says in each matrix.

    Tables, biases and feature cells (`EXACT`) stay as they are.

    Args:
        graph: in any precision; zeros stay zeros when it is quantized afterwards.
        pattern: one of edgernn.passes.patterns.
        keep: layers to leave as they are.

    Raises:
        UsageError: a layer to keep, or a gate of the pattern, that is not there.
        GraphError: a matrix would be left empty, or no blocks come to the part; naming layer and nearest choice.
    """
    return masked(graph, masks(graph, pattern, keep=keep))


def masks(graph: Graph, pattern: Pattern, *, keep: Collection[str] = ()) -> dict[str, Array]:
    """Which weights stay: bool (rows, columns) by the name of each matrix in `Graph.tensors`; see `prune_weights`."""
    keeping.check(graph, keep)
    found, kept = units(graph), set(keep)
    matrices = {
        name: matrix for layer in graph.layers if layer.name not in kept for name, matrix in _of(graph, layer, found)
    }
    if isinstance(pattern, Blocks):
        known = dict.fromkeys(gate for matrix in matrices.values() for gate in matrix.gates)
        for gate in pattern.gates:
            if gate not in known:
                raise UsageError(f"there is no gate '{gate}' to prune; {misspelt(gate, known)}")
    if not matrices:
        raise UsageError("no layer is left to prune; all are kept or have no matrices")
    return {name: pattern.mask(matrix) for name, matrix in matrices.items()}


def masked(graph: Graph, stays: Mapping[str, Array]) -> Graph:
    """The same graph with zeros where a mask is False."""
    return graph.with_tensors({name: _thinned(graph.tensors[name], mask) for name, mask in stays.items()})


def _thinned(tensor: Tensor, stays: Array) -> Tensor:
    return Tensor(np.where(stays, tensor.stored, tensor.stored.dtype.type(0)), tensor.scale, tensor.scheme)


def _of(graph: Graph, layer: Layer, found: Units) -> list[tuple[str, Matrix]]:
    """The matrices of a layer's affines by name."""
    if getattr(layer.cell, "EXACT", False):
        return []
    read = {id(op.args[0]) for op in graph.layer_traces[layer.name].operations if op.name == "affine"}
    made = []
    for field, tensor in tensors(layer.cell).items():
        if id(tensor) in read:
            name = f"{layer.name}.{field}"
            rows, columns = found.places[name, 0], found.places[name, 1]
            diagonal = rows[:, None] == columns[None, :]
            gates = getattr(layer.cell, "GATES", ())
            gated = bool(gates) and len(rows) == len(gates) * len(set(rows.tolist()))
            told = f"weight '{field}' of layer '{layer.name}'"
            made.append((name, Matrix(told, tensor.dense(np.float64), diagonal, tuple(gates) if gated else ())))
    return made
