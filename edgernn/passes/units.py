"""Units: which rows, columns, biases and states stand or fall together, found from the words of a graph."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgernn.model.cell import settings, tensors
from edgernn.model.graph import INPUT, Graph, Layer
from edgernn.model.record import Op
from edgernn.model.tensor import Array, Tensor

Place = tuple[str, int]
"""An axis of a weight or of a rest state: its name in `Graph.tensors`, and 0 or 1."""

SAME = ("add", "subtract", "multiply", "sigmoid", "tanh", "relu", "softmax", "log", "scale", "normalize")
"""Words whose result has an element for each element that they read, and for each of a vector beside it."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a graph by number: what has the same number cannot be removed alone.

    G. Fang et al., "DepGraph: towards any structural pruning" (arXiv:2301.12900), on the words of the trace, so that
    nothing is known of any cell.

    Attributes:
        places: axis of a weight -> the unit of each row or column.
        states: state -> the unit of each element.
        fixed: units that cannot go: of the model's input and answer, of feature cells, of cells whose width is a
            number among their settings, and of weights that no word reads.
    """

    places: Mapping[Place, Array]
    states: Mapping[str, Array]
    fixed: frozenset[int]


def units(graph: Graph) -> Units:
    """The units of a graph, from what its layers say."""
    found = _Found()
    values = {INPUT: found.new(graph.inputs)}
    pinned = [values[INPUT]]
    states = {name: found.new(width) for name, width in graph.states.items()}
    for layer in graph.layers:
        said = graph.layer_traces[layer.name]
        values |= {ref.name: states[f"{layer.name}.{name}"] for name, ref in said.before.items()}
        for op in said.operations:
            _read(layer, op, values, found)
        for name, ref in said.after.items():
            found.join(values[ref.name], states[f"{layer.name}.{name}"])
        values[layer.name] = values[said.y.name]
        pinned += _pinned(layer, values, states, found)
    pinned.append(values[graph.layers[-1].name])
    places = {place: found.roots(each) for place, each in _named(graph, found).items()}
    places |= {(f"{name}.rest", 0): found.roots(states[name]) for name in graph.initial_state}
    fixed = frozenset(int(unit) for each in pinned for unit in found.roots(each))
    return Units(places, {name: found.roots(each) for name, each in states.items()}, fixed)


class _Found:
    """Numbers of elements, and which of them were found to be one."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self.axes: dict[tuple[str, int, int], Array] = {}  # layer, id of a tensor, axis

    def new(self, width: int) -> Array:
        start = len(self._parent)
        self._parent.extend(range(start, start + width))
        return np.arange(start, start + width)

    def axis(self, layer: str, tensor: Tensor, axis: int) -> Array:
        """The elements of an axis of a weight, the same whenever the layer reads it."""
        place = (layer, id(tensor), axis)
        if place not in self.axes:
            self.axes[place] = self.new(tensor.shape[axis])
        return self.axes[place]

    def join(self, one: Array, other: Array) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            first, second = sorted((self._root(a), self._root(b)))
            self._parent[second] = first

    def roots(self, elements: Array) -> Array:
        return np.array([self._root(each) for each in elements.tolist()], int)

    def _root(self, element: int) -> int:
        while self._parent[element] != element:
            self._parent[element] = self._parent[self._parent[element]]
            element = self._parent[element]
        return element


def _read(layer: Layer, op: Op, values: dict[str, Array], found: _Found) -> None:
    """What a word reads and makes, joined element by element."""
    reads = [values[ref.name] for ref in op.inputs]
    weights = [arg for arg in op.args if isinstance(arg, Tensor)]
    if op.name == "split":
        cuts = np.cumsum(op.widths)[:-1]
        values |= {ref.name: part for ref, part in zip(op.outputs, np.split(reads[0], cuts), strict=True)}
        return
    if op.name in SAME:
        made, beside = reads[0], [*reads[1:], *(found.axis(layer.name, each, 0) for each in weights)]
    elif op.name == "affine":
        made, beside = found.axis(layer.name, weights[0], 0), [found.axis(layer.name, each, 0) for each in weights[1:]]
        found.join(found.axis(layer.name, weights[0], 1), reads[0])
    elif op.name == "lookup":
        made, beside = found.axis(layer.name, weights[0], 1), []
    else:
        made, beside = np.concatenate(reads), []
    for each in beside:
        found.join(made, each)
    values[op.outputs[0].name] = made


def _pinned(layer: Layer, values: Mapping[str, Array], states: Mapping[str, Array], found: _Found) -> Iterator[Array]:
    """What of a layer must stay as wide as it is."""
    unread = [each for each in tensors(layer.cell).values() if (layer.name, id(each), 0) not in found.axes]
    if getattr(layer.cell, "EXACT", False) or "inputs" in settings(layer.cell) or unread:
        yield from (values[name] for name in (*layer.inputs, layer.name))
        yield from (each for name, each in states.items() if name.startswith(f"{layer.name}."))


def _named(graph: Graph, found: _Found) -> dict[Place, Array]:
    """The axes of the weights by the names that these have in a file; what no word reads is left out."""
    named = {}
    for layer in graph.layers:
        for name, tensor in tensors(layer.cell).items():
            for axis in range(len(tensor.shape)):
                if (layer.name, id(tensor), axis) in found.axes:
                    named[f"{layer.name}.{name}", axis] = found.axes[layer.name, id(tensor), axis]
    return named
