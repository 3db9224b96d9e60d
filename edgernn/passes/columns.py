"""The columns of what a model reads, brought to one scale: exact in float, and fair to what is then rounded.

A scale for each column, and a mean where a bias can take it, stand before the first matrices, whose columns take the
inverse: W x + b = (W s) ((x - m) / s) + (b + W m). Rows of weights, and vectors and grids of integers, have one step
for all columns; so a column of raw counts near 2000 beside one near 1 leaves nothing of one of them. The balance of
both sides is that of G. Xiao et al., "SmoothQuant" (arXiv:2211.10438), and without data that of M. Nagel et al.,
"Data-free quantization through weight equalization" (arXiv:1906.04721).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgernn.cells.standardize import Standardize
from edgernn.interpreters.ranges import RangeObserver
from edgernn.model.cell import tensors
from edgernn.model.graph import INPUT, Graph, Layer
from edgernn.model.range import Range
from edgernn.model.record import Op, Ref
from edgernn.model.tensor import DYNAMIC, STATIC, Array, Tensor

LAYER = "columns"  # the name of a layer that is put in

NOWHERE = -1  # of an element that is of no column

Labels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Place:
    """Where the columns of a model are, and which matrices read them.

    Attributes:
        value: the name of the value whose elements are the columns; `x`, or what feature cells make of it.
        layer: the one that makes it, or `x`.
        labels: for each value that is made of columns alone or in part, by name, the column of each element.
        matrices: (layer, field, the column that each of its columns reads) of each.
        biases: (layer, field) of what is added to each of them; nothing where one has none, or a state has columns.
        even: whether a standardization makes the value, so that its columns are of one scale unless data say otherwise.
    """

    value: str
    layer: str
    width: int
    labels: Mapping[str, Labels]
    matrices: tuple[tuple[str, str, Labels], ...]
    biases: tuple[tuple[str, str], ...]
    even: bool

    def largest(self, graph: Graph) -> Array:
        """The largest weight that reads each column."""
        most = np.zeros(self.width)
        for layer, field, labels in self.matrices:
            weight = np.abs(tensors(_layer(graph, layer).cell)[field].dense(np.float64)).max(axis=0)
            np.maximum.at(most, labels[labels >= 0], weight[labels >= 0])
        return most

    def apart(self, graph: Graph) -> float:
        """How many times the largest weight of one column is that of another; columns of zeros do not count."""
        most = self.largest(graph)
        read = most[most > 0]
        return float(read.max() / read.min()) if read.size else 1.0


@dataclass(frozen=True, eq=False)
class Spans:
    """The smallest and the largest number of each column, (width,) each."""

    low: Array
    high: Array


def place(graph: Graph, keep: Collection[str] = ()) -> Place | None:
    """The columns that can have a scale of their own, or None: matrices in float, of layers that are not kept, must be
    all that reads them, as they are or side by side with other values.
    """
    if graph.vocabulary_size:
        return None
    layer, width = _behind_features(graph)
    operations, names = _words(graph)
    value = names[layer]
    labels = _labels(graph, operations, names, value, width)
    if labels is None or names[graph.layers[-1].name] in labels:
        return None
    readers = [op for op in operations if op.name == "affine" and op.args[1].name in labels]
    matrices, biases = [], []
    for op in readers:
        cell = _layer(graph, op.layer).cell
        field, bias = (_field(cell, op.args[k], operations) for k in (0, 2))
        if field is None or op.args[0].scheme or op.layer in keep or getattr(cell, "EXACT", False):
            return None
        matrices.append((op.layer, field, labels[op.args[1].name]))
        biases += [(op.layer, bias)] if bias is not None else []
    carried = any(f"{state}.in" in labels for state in graph.states)
    shifts = len(biases) == len(matrices) and not carried
    even = layer != INPUT and isinstance(_layer(graph, layer).cell, Standardize)
    found = Place(value, layer, width, labels, tuple(matrices), tuple(biases) if shifts else (), even)
    return found if matrices else None


def spans(graph: Graph, at: Place, sequences: Sequence[Array]) -> Spans | None:
    """What each column reaches over real sequences, or as `calibrate` found it; None where neither is known."""
    if sequences:
        end = graph.layers.index(_layer(graph, at.layer)) + 1 if at.layer != INPUT else 1
        low, high = RangeObserver(
            replace(graph, layers=graph.layers[:end], initial_state={}, labels=(), ranges={}), sequences
        ).element_ends(at.value)
        return Spans(low, high)
    known = graph.ranges.get(at.value)
    return Spans(*np.array(known.columns).T) if known is not None and known.columns else None


def balanced(graph: Graph, at: Place, scheme: str, spans: Spans | None) -> Graph:
    """The same function with a scale, and where it helps a mean, for each column: of what is read when the rounding of
    that is what a scheme loses by, and else of the weights alone.
    """
    means, scales = _means_and_scales(at.largest(graph), scheme, spans, shifts=bool(at.biases))
    changed: dict[str, Tensor] = {}
    added: dict[str, Array] = {}
    for i, (layer, field, labels) in enumerate(at.matrices):
        old = graph.tensors[f"{layer}.{field}"]
        weight, by = old.dense(np.float64), np.where(labels >= 0, scales[labels], 1.0)
        changed[f"{layer}.{field}"] = Tensor((weight * by).astype(old.stored.dtype))
        if at.biases and means.any():
            name = ".".join(at.biases[i])
            added[name] = added.get(name, 0.0) + weight @ np.where(labels >= 0, means[labels], 0.0)
    for name, more in added.items():
        old = graph.tensors[name]
        changed[name] = Tensor((old.dense(np.float64) + more).astype(old.stored.dtype))
    for state in graph.states:
        held, initial_state = at.labels.get(f"{state}.in"), graph.initial_state.get(state)
        if held is not None and initial_state is not None:
            by = np.where(held >= 0, scales[held], 1.0)
            changed[f"{state}.rest"] = Tensor((initial_state.dense(np.float64) / by).astype(initial_state.stored.dtype))
    moved = replace(graph, ranges={}).with_tensors(changed)
    made, value = _standing(moved, at, means, scales)
    if spans is None or not graph.ranges:
        return replace(made, ranges={name: each for name, each in graph.ranges.items() if name not in at.labels})
    ends = Spans((spans.low - means) / scales, (spans.high - means) / scales)
    return replace(made, ranges=_ranges(graph, at, ends, made.initial_state, value))


def _means_and_scales(most: Array, scheme: str, spans: Spans | None, *, shifts: bool) -> tuple[Array, Array]:
    """m and s of each column.

    Where only weights are rounded, all columns of weights become as large as 1. Where the input is, too, the largest
    numbers of both sides become equal: s = sqrt(reach / weight). Without data a column of small weights is taken to
    have as much larger numbers, and both are the same.
    """
    nothing = np.zeros_like(most)
    read = most > 0
    weight = np.where(read, most, most[read].min() if read.any() else 1.0)
    if spans is None or scheme not in {DYNAMIC, *STATIC}:
        return nothing, 1.0 / weight
    means = (spans.low + spans.high) / 2 if shifts else nothing
    reach = np.maximum(spans.high - means, means - spans.low)
    moves = read & (reach > 0)
    usual = float(np.median((reach * weight)[moves])) if moves.any() else 1.0
    reach = np.where(reach > 0, reach, usual / weight)
    scales = np.sqrt(reach / weight)
    least = float((reach / scales)[read].min()) if read.any() else 1.0
    return means, np.where(read, scales, reach / least)  # what no weight reads must not fill a grid


def _standing(graph: Graph, at: Place, means: Array, scales: Array) -> tuple[Graph, str]:
    """The graph with the scales in it, and the name of the value that they make: in a Standardize that stands there
    already, or in one that is put in.
    """
    before = None if at.layer == INPUT else _layer(graph, at.layer)
    dtype = next(iter(graph.tensors.values())).stored.dtype
    if before is not None and isinstance(before.cell, Standardize):
        deviation = before.cell.deviation.dense(np.float64)
        mean = before.cell.mean.dense(np.float64) + means * deviation
        cell = Standardize(Tensor(mean.astype(dtype)), Tensor((deviation * scales).astype(dtype)))
        layers = tuple(replace(layer, cell=cell) if layer is before else layer for layer in graph.layers)
        return replace(graph, layers=layers), at.value
    taken = {layer.name for layer in graph.layers}
    name = next(name for name in (LAYER, *(f"{LAYER}_{i}" for i in range(len(taken) + 1))) if name not in taken)
    own = Layer(name, Standardize(Tensor(means.astype(dtype)), Tensor(scales.astype(dtype))), (at.layer,))
    first = 0 if before is None else graph.layers.index(before) + 1
    behind = [
        replace(each, inputs=tuple(name if read == at.layer else read for read in each.inputs))
        for each in graph.layers[first:]
    ]
    return replace(graph, layers=(*graph.layers[:first], own, *behind)), f"{name}/0"


def _ranges(graph: Graph, at: Place, ends: Spans, initial_state: Mapping[str, Tensor], value: str) -> dict[str, Range]:
    """The ranges of the graph, those of values with columns as they are once these are scaled.

    Args:
        graph: as it was.
        at: where its columns are.
        ends: of the columns once they are scaled.
        rest: the initial states, scaled; a state with columns begins there, or at 0.
        value: what the scales make.
    """
    ranges = {name: each for name, each in graph.ranges.items() if name not in at.labels or name == at.value}
    states = [state for state in graph.states if f"{state}.in" in at.labels]
    begins = [(initial_state[state].dense(np.float64) if state in initial_state else np.zeros(1)) for state in states]
    for name, labels in at.labels.items():
        own = labels[labels >= 0]
        met = np.concatenate([ends.low[own], ends.high[own], *begins])
        whole = Range(met.min(), met.max())
        if name != at.value:
            partly = (labels < 0).any() and name in graph.ranges
            ranges[name] = whole | graph.ranges[name] if partly else whole
    columns = tuple(zip(ends.low.tolist(), ends.high.tolist(), strict=True))
    return ranges | {value: Range(ends.low.min(), ends.high.max(), columns)}


def _behind_features(graph: Graph) -> tuple[str, int]:
    """The last layer, or `x`, of the chain of feature cells that the graph begins with, and its width."""
    name, width = INPUT, graph.inputs
    while True:
        readers = [layer for layer in graph.layers if name in layer.inputs]
        if len(readers) != 1 or not getattr(readers[0].cell, "EXACT", False):
            return name, width
        name = readers[0].name
        width = graph.layer_traces[name].y.width


def _words(graph: Graph) -> tuple[list[Op], dict[str, str]]:
    """The operations of all layers, none of them merged, and the name of each layer's value."""
    names, operations = {INPUT: INPUT}, []
    for layer in graph.layers:
        said = graph.layer_traces[layer.name]
        for op in said.operations:
            args = tuple(
                replace(arg, name=names.get(arg.name, arg.name)) if isinstance(arg, Ref) else arg for arg in op.args
            )
            operations.append(replace(op, args=args))
        names[layer.name] = names.get(said.y.name, said.y.name)
    return operations, names


def _labels(
    graph: Graph, operations: list[Op], names: Mapping[str, str], value: str, width: int
) -> dict[str, Labels] | None:
    """The columns of each value that has some; None where something else than matrices computes with them."""
    carried: dict[str, Labels] = {}
    while True:
        labels = {**carried, value: np.arange(width)}
        for op in operations:
            if not any(ref.name in labels for ref in op.inputs):
                continue
            if op.name not in {"affine", "split", "concat"}:
                return None
            if op.name != "affine":
                labels |= _parts(op, labels)
        after = dict(_after(graph, names, labels))
        if all(np.array_equal(after.get(name, []), carried.get(name, [])) for name in {*after, *carried}):
            return labels
        carried = after


def _parts(op: Op, labels: Mapping[str, Labels]) -> Iterator[tuple[str, Labels]]:
    """The columns of what a split or a concatenation makes, by name, where there are any."""
    whole = np.concatenate([labels.get(ref.name, np.full(ref.width, NOWHERE)) for ref in op.inputs])
    parts = np.split(whole, np.cumsum(op.widths)[:-1])
    return ((ref.name, part) for ref, part in zip(op.outputs, parts, strict=True) if (part >= 0).any())


def _after(graph: Graph, names: Mapping[str, str], labels: Mapping[str, Labels]) -> Iterator[tuple[str, Labels]]:
    """The columns that a state has before the next step, by its name there."""
    for layer in graph.layers:
        said = graph.layer_traces[layer.name]
        for state, before in said.before.items():
            after = names.get(said.after[state].name, said.after[state].name)
            if after in labels:
                yield before.name, labels[after]


def _layer(graph: Graph, name: str) -> Layer:
    return next(layer for layer in graph.layers if layer.name == name)


def _field(cell: object, tensor: Tensor | None, operations: list[Op]) -> str | None:
    """The one field of a cell that is this very tensor, where one operation alone reads it."""
    names = [name for name, each in tensors(cell).items() if each is tensor]
    uses = sum(arg is tensor for op in operations for arg in op.args)
    return names[0] if len(names) == uses == 1 else None
