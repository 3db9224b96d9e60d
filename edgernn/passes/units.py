"""Units: the rows, columns, biases and states that can only be removed together, from the operations of a graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.model.cell import settings, tensors
from edgernn.model.graph import INITIAL_STATE, INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.layer_trace import COUNT
from edgernn.model.operation import Op
from edgernn.model.positions import gathered, grouped, reshaped
from edgernn.model.spectra import SPECTRA
from edgernn.model.tensor import Tensor

WeightAxis = tuple[str, int]
"""An axis of a weight or of an initial state: its name in `Graph.tensors`, and 0 or 1."""

ELEMENTWISE = (
    *("add", "subtract", "multiply", "divide", "maximum", "sigmoid", "tanh", "relu", "softmax", "log", "exp", "sqrt"),
    *("scale", "normalize", "hold"),
)
"""The operations whose output has one element for each element of their inputs and of their weights."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a graph, by number: rows, columns and elements with the same number can only be removed together.

    The method of G. Fang et al., "DepGraph: towards any structural pruning" (arXiv:2301.12900), on the operations of
    the trace, so it needs no knowledge of any cell.

    Attributes:
        axes: the unit of each row or column, by the axis of a weight.
        states: the unit of each element, by the name of the state.
        fixed: the units that cannot be removed: those of the model's input and output, of feature cells, of cells whose
            width is one of their settings, and of weights that no operation reads.
    """

    axes: Mapping[WeightAxis, Array]
    states: Mapping[str, Array]
    fixed: frozenset[int]


def units(graph: Graph) -> Units:
    """Return the units of a graph."""
    union = _UnionFind()
    values = {INPUT: union.new(graph.inputs)}
    fixed = [values[INPUT]]
    states = {name: union.new(width) for name, width in graph.states.items()}
    for layer in graph.layers:
        traced = graph.layer_traces[layer.name]
        values |= {ref.name: states[f"{layer.name}.{name}"] for name, ref in traced.before.items()}
        for op in traced.operations:
            _join(layer, op, values, union)
        values[layer.name] = values[traced.y.name]
    for layer in graph.layers:
        traced = graph.layer_traces[layer.name]
        for name, ref in traced.after.items():
            union.join(values[ref.name], states[f"{layer.name}.{name}"])
        fixed += _fixed(layer, values, states, union)
        fixed += [values[ref.name].ravel() for op in traced.operations if op.name == "gather" for ref in op.inputs]
    fixed.append(values[graph.layers[-1].name])
    axes = {axis: union.roots(each) for axis, each in _axes(graph, union).items()}
    axes |= {(f"{name}.{INITIAL_STATE}", 0): union.roots(states[name]) for name in graph.initial_state}
    fixed_units = frozenset(int(unit) for each in fixed for unit in union.roots(each))
    return Units(axes, {name: union.roots(each) for name, each in states.items()}, fixed_units)


class _UnionFind:
    """Numbered elements, and the sets of elements that are one unit."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self.axes: dict[tuple[str, int, int], Array] = {}  # by layer, id of a tensor, axis

    def new(self, width: int) -> Array:
        start = len(self._parent)
        self._parent.extend(range(start, start + width))
        return np.arange(start, start + width)

    def axis(self, layer: str, tensor: Tensor, axis: int) -> Array:
        """Return the elements of an axis of a weight, the same ones whenever the layer reads it."""
        key = (layer, id(tensor), axis)
        if key not in self.axes:
            self.axes[key] = self.new(tensor.shape[axis])
        return self.axes[key]

    def join(self, one: Array, other: Array) -> None:
        pairs = (each.ravel().tolist() for each in np.broadcast_arrays(one, other))
        for a, b in zip(*pairs, strict=True):
            first, second = sorted((self._root(a), self._root(b)))
            self._parent[second] = first

    def roots(self, elements: Array) -> Array:
        return np.array([self._root(each) for each in elements.tolist()], int)

    def _root(self, element: int) -> int:
        while self._parent[element] != element:
            self._parent[element] = self._parent[self._parent[element]]
            element = self._parent[element]
        return element


def _join(layer: Layer, op: Op, values: dict[str, Array], union: _UnionFind) -> None:
    """Join the elements of the inputs, weights and outputs of an operation."""
    inputs = [values[ref.name] for ref in op.inputs]
    weights = [arg for arg in op.args if isinstance(arg, Tensor)]
    if op.name == "split":
        parts = np.split(inputs[0], np.cumsum(op.widths)[:-1], axis=-1)
        values |= {ref.name: part for ref, part in zip(op.outputs, parts, strict=True)}
        return
    if op.name in ELEMENTWISE:
        output, others = inputs[0], [*inputs[1:], *(union.axis(layer.name, each, 0) for each in weights)]
    elif op.name == "affine":
        output, *others = [union.axis(layer.name, each, 0) for each in weights]
        union.join(union.axis(layer.name, weights[0], 1), inputs[0])
        output = output if op.positions == 1 else np.tile(output, (op.positions, 1))
    elif op.name == "lookup":
        output, others = union.axis(layer.name, weights[0], 1), []
    elif op.name == "reshape":
        output, others = reshaped(inputs[0], *op.args[1:]), []
    elif op.name == "gather":
        output, others = gathered(inputs[0], *op.args[1:]), []  # its layer is fixed, so -1 may be any unit
    elif op.name in {"sum", "largest"}:
        output, *others = grouped(inputs[0], op.args[2])
    elif op.name in SPECTRA:
        output, others = np.resize(inputs[0], (*inputs[0].shape[:-1], op.widths[0])), []  # its layer is fixed
        for window in weights:
            union.axis(layer.name, window, 0)
    else:
        output, others = np.concatenate(inputs, axis=-1), []
    for each in others:
        union.join(output, each)
    values[op.outputs[0].name] = output


def _fixed(
    layer: Layer, values: Mapping[str, Array], states: Mapping[str, Array], union: _UnionFind
) -> Iterator[Array]:
    """Iterate over the elements of a layer that cannot be removed."""
    unread = [each for each in tensors(layer.cell).values() if (layer.name, id(each), 0) not in union.axes]
    if layer.cell.exact or "inputs" in settings(layer.cell) or unread:
        yield from (values[name] for name in (*layer.inputs, layer.name))
        yield from (each for name, each in states.items() if name.startswith(f"{layer.name}."))
    if layer.begins:
        yield states[f"{layer.name}.{COUNT}"]


def _axes(graph: Graph, union: _UnionFind) -> dict[WeightAxis, Array]:
    """Return the elements of each axis of each weight that an operation reads."""
    axes = {}
    for layer in graph.layers:
        for name, tensor in tensors(layer.cell).items():
            for axis in range(len(tensor.shape)):
                if (layer.name, id(tensor), axis) in union.axes:
                    axes[f"{layer.name}.{name}", axis] = union.axes[layer.name, id(tensor), axis]
    return axes
