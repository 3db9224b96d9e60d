"""Pruning of weights: zeros in the matrices of affines, in a sparsity pattern; no shape changes."""

from collections.abc import Collection, Mapping

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.cell import tensors
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.passes.keep import check_keep
from edgernn.passes.patterns import Blocks, Matrix, Pattern
from edgernn.passes.units import Units, units


def prune_weights(graph: Graph, pattern: Pattern, *, keep: Collection[str] = ()) -> Graph:
    """Return the graph with zeros in a pattern, in exactly the part of each matrix that the pattern defines.

    Tables, biases and feature cells (`exact`) are unchanged.

    Args:
        graph: in any precision; zeros stay zeros when it is quantized afterwards.
        pattern: one of edgernn.passes.patterns.
        keep: the layers to leave unchanged.

    Raises:
        UsageError: an unknown layer to keep, or an unknown gate in the pattern.
        GraphError: a matrix would be empty, or whole blocks cannot give the part; the message names the layer and the
            nearest possible part.
    """
    return masked(graph, masks(graph, pattern, keep=keep))


def masks(graph: Graph, pattern: Pattern, *, keep: Collection[str] = ()) -> dict[str, Array]:
    """Return the weights that stay, bool (rows, columns), by the name of the matrix in `Graph.tensors`."""
    check_keep(graph, keep)
    structure = units(graph)
    matrices = {
        name: matrix
        for layer in graph.layers
        if layer.name not in keep
        for name, matrix in _matrices(graph, layer, structure)
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
    """Return the graph with zeros where a mask is False."""
    return graph.with_tensors({name: _sparse(graph.tensors[name], mask) for name, mask in stays.items()})


def _sparse(tensor: Tensor, stays: Array) -> Tensor:
    return Tensor(np.where(stays, tensor.stored, tensor.stored.dtype.type(0)), tensor.scale, tensor.scheme)


def _matrices(graph: Graph, layer: Layer, structure: Units) -> list[tuple[str, Matrix]]:
    """Return the matrices of a layer's affines, by name."""
    if layer.cell.exact:
        return []
    read = {id(op.args[0]) for op in graph.layer_traces[layer.name].operations if op.name == "affine"}
    matrices = []
    for field, tensor in tensors(layer.cell).items():
        if id(tensor) in read:
            name = f"{layer.name}.{field}"
            rows, columns = structure.axes[name, 0], structure.axes[name, 1]
            diagonal = rows[:, None] == columns[None, :]
            gates = layer.cell.GATES
            gated = bool(gates) and len(rows) == len(gates) * len(set(rows.tolist()))
            label = f"weight '{field}' of layer '{layer.name}'"
            matrices.append((name, Matrix(label, tensor.dense(np.float64), diagonal, tuple(gates) if gated else ())))
    return matrices
