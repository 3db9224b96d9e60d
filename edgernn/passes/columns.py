"""Equal scales for the input columns of a model: exact in float, and more accurate after rounding.

A scale for each column, and a mean where a bias can absorb it, are put before the first matrices, whose columns are
multiplied by the inverse: W x + b = (W s) ((x - m) / s) + (b + W m). A row of weights and a vector of integers have one
scale for all columns. So of a column of raw counts near 2000 and one near 1, rounding would lose one. The balance
between input and weights is that of G. Xiao et al., "SmoothQuant" (arXiv:2211.10438); without data, that of M. Nagel et
al., "Data-free quantization through weight equalization" (arXiv:1906.04721).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgernn.array import Array
from edgernn.cells.standardize import Standardize
from edgernn.interpreters.ranges import RangeObserver
from edgernn.model.cell import tensors
from edgernn.model.graph import INITIAL_STATE, INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.operation import Op, Ref
from edgernn.model.range import Range
from edgernn.model.tensor import DYNAMIC, STATIC, Tensor

LAYER = "columns"  # the name of an inserted layer

NO_COLUMN = -1  # the label of an element that belongs to no column

Labels = NDArray[np.intp]
"""The column of each element of a value, or NO_COLUMN."""


@dataclass(frozen=True, eq=False)
class InputColumns:
    """The input columns of a model, and the matrices that read them.

    Attributes:
        value: the name of the value whose elements are the columns: `x`, or the output of the first feature cells.
        layer: the layer that computes the value, or `x`.
        width: the number of columns.
        labels: the column of each element of every value that contains columns, by name.
        matrices: (layer, field, the column that each of its columns reads) of every matrix that reads columns.
        biases: (layer, field) of the bias of each of them; empty when one has none, or when a state contains columns.
        even: whether a Standardize computes the value, so that its columns have similar scales.
    """

    value: str
    layer: str
    width: int
    labels: Mapping[str, Labels]
    matrices: tuple[tuple[str, str, Labels], ...]
    biases: tuple[tuple[str, str], ...]
    even: bool

    def largest(self, graph: Graph) -> Array:
        """Return the largest weight that reads each column."""
        most = np.zeros(self.width)
        for layer, field, labels in self.matrices:
            weight = np.abs(tensors(_layer(graph, layer).cell)[field].dense(np.float64)).max(axis=0)
            np.maximum.at(most, labels[labels >= 0], weight[labels >= 0])
        return most

    def ratio(self, graph: Graph) -> float:
        """Return the largest ratio between the largest weights of two columns; columns of zeros are ignored."""
        most = self.largest(graph)
        read = most[most > 0]
        return float(read.max() / read.min()) if read.size else 1.0


@dataclass(frozen=True, eq=False)
class ColumnRanges:
    """The smallest and the largest number of each column, (width,) each."""

    low: Array
    high: Array


def input_columns(graph: Graph, keep: Collection[str] = ()) -> InputColumns | None:
    """Return the columns that can have a scale of their own, or None.

    They can when only float matrices, of layers that are not kept, read them, directly or concatenated with other
    values.
    """
    if graph.vocabulary_size:
        return None
    layer, width = _last_feature(graph)
    operations, names = _operations(graph)
    value = names[layer]
    labels = _labels(graph, operations, names, value, width)
    if labels is None or names[graph.layers[-1].name] in labels:
        return None
    readers = [op for op in operations if op.name == "affine" and op.args[1].name in labels]
    matrices, biases = [], []
    for op in readers:
        cell = _layer(graph, op.layer).cell
        field, bias = (_field(cell, op.args[k], operations) for k in (0, 2))
        if field is None or op.args[0].scheme or op.layer in keep or cell.exact:
            return None
        matrices.append((op.layer, field, labels[op.args[1].name]))
        biases += [(op.layer, bias)] if bias is not None else []
    carried = any(f"{state}.in" in labels for state in graph.states)
    shifts = len(biases) == len(matrices) and not carried
    even = layer != INPUT and isinstance(_layer(graph, layer).cell, Standardize)
    if not matrices:
        return None
    return InputColumns(value, layer, width, labels, tuple(matrices), tuple(biases) if shifts else (), even)


def column_ranges(graph: Graph, columns: InputColumns, sequences: Sequence[Array]) -> ColumnRanges | None:
    """Return the range of each column over real sequences, or from calibration; None when neither is available."""
    if sequences:
        end = graph.layers.index(_layer(graph, columns.layer)) + 1 if columns.layer != INPUT else 1
        features = tuple(layer for layer in graph.layers[:end] if layer.cell.exact)
        first = graph
        if features:
            first = replace(graph, layers=features, initial_state={}, labels=(), ranges={}, named_outputs={})
        return ColumnRanges(*RangeObserver(first, sequences).element_ends(columns.value))
    known = graph.ranges.get(columns.value)
    return ColumnRanges(*np.array(known.columns).T) if known is not None and known.columns else None


def balanced(graph: Graph, columns: InputColumns, scheme: str, ranges: ColumnRanges | None) -> Graph:
    """Return the same function with a scale for each column, and a mean where it reduces the range.

    The scales equalize input and weights when the scheme rounds the input, and the weights alone otherwise.
    """
    means, scales = _means_and_scales(columns.largest(graph), scheme, ranges, shifts=bool(columns.biases))
    changed: dict[str, Tensor] = {}
    shifts: dict[str, Array] = {}
    for i, (layer, field, labels) in enumerate(columns.matrices):
        old = graph.tensors[f"{layer}.{field}"]
        weight, by = old.dense(np.float64), np.where(labels >= 0, scales[labels], 1.0)
        changed[f"{layer}.{field}"] = Tensor((weight * by).astype(old.stored.dtype))
        if columns.biases and means.any():
            name = ".".join(columns.biases[i])
            shifts[name] = shifts.get(name, 0.0) + weight @ np.where(labels >= 0, means[labels], 0.0)
    for name, shift in shifts.items():
        old = graph.tensors[name]
        changed[name] = Tensor((old.dense(np.float64) + shift).astype(old.stored.dtype))
    for state, begin in graph.initial_state.items():
        state_labels = columns.labels.get(f"{state}.in")
        if state_labels is not None:
            by = np.where(state_labels >= 0, scales[state_labels], 1.0)
            changed[f"{state}.{INITIAL_STATE}"] = Tensor((begin.dense(np.float64) / by).astype(begin.stored.dtype))
    scaled, value = _standardized(replace(graph, ranges={}).with_tensors(changed), columns, means, scales)
    if ranges is None or not graph.ranges:
        unaffected = {name: each for name, each in graph.ranges.items() if name not in columns.labels}
        return replace(scaled, ranges=unaffected)
    ends = ColumnRanges((ranges.low - means) / scales, (ranges.high - means) / scales)
    return replace(scaled, ranges=_ranges(graph, columns, ends, scaled.initial_state, value))


def _means_and_scales(most: Array, scheme: str, ranges: ColumnRanges | None, *, shifts: bool) -> tuple[Array, Array]:
    """Return m and s of each column.

    When only weights are rounded, the largest weight of every column becomes 1. When the input is rounded too, the
    largest numbers of both become equal: s = sqrt(reach / weight). Without data, the numbers of a column are assumed to
    be larger the smaller its weights are, and both rules agree.
    """
    zeros = np.zeros_like(most)
    read = most > 0
    weight = np.where(read, most, most[read].min() if read.any() else 1.0)
    if ranges is None or scheme not in {DYNAMIC, *STATIC}:
        return zeros, 1.0 / weight
    means = (ranges.low + ranges.high) / 2 if shifts else zeros
    reach = np.maximum(ranges.high - means, means - ranges.low)
    moves = read & (reach > 0)
    usual = float(np.median((reach * weight)[moves])) if moves.any() else 1.0
    reach = np.where(reach > 0, reach, usual / weight)
    scales = np.sqrt(reach / weight)
    least = float((reach / scales)[read].min()) if read.any() else 1.0
    return means, np.where(read, scales, reach / least)  # a column that no weight reads must not widen the range


def _standardized(graph: Graph, columns: InputColumns, means: Array, scales: Array) -> tuple[Graph, str]:
    """Return the graph with the scales in its first Standardize or in an inserted one, and the name of its output."""
    before = None if columns.layer == INPUT else _layer(graph, columns.layer)
    dtype = next(iter(graph.tensors.values())).stored.dtype
    if before is not None and isinstance(before.cell, Standardize):
        deviation = before.cell.deviation.dense(np.float64)
        mean = before.cell.mean.dense(np.float64) + means * deviation
        cell = Standardize(Tensor(mean.astype(dtype)), Tensor((deviation * scales).astype(dtype)))
        layers = tuple(replace(layer, cell=cell) if layer is before else layer for layer in graph.layers)
        return replace(graph, layers=layers), columns.value
    taken = {layer.name for layer in graph.layers}
    name = next(name for name in (LAYER, *(f"{LAYER}_{i}" for i in range(len(taken) + 1))) if name not in taken)
    inserted = Layer(name, Standardize(Tensor(means.astype(dtype)), Tensor(scales.astype(dtype))), (columns.layer,))
    first = 0 if before is None else graph.layers.index(before) + 1
    renamed = [
        replace(each, inputs=tuple(name if read == columns.layer else read for read in each.inputs))
        if i >= first or each.cell.delays
        else each
        for i, each in enumerate(graph.layers)
    ]
    return replace(graph, layers=(*renamed[:first], inserted, *renamed[first:])), f"{name}/0"


def _ranges(
    graph: Graph, columns: InputColumns, ends: ColumnRanges, initial_state: Mapping[str, Tensor], value: str
) -> dict[str, Range]:
    """Return the ranges of the scaled graph.

    Args:
        graph: the graph before scaling.
        columns: its input columns.
        ends: the ranges of the scaled columns.
        initial_state: the scaled initial states; a state with columns starts there, or at 0.
        value: the name of the scaled value.
    """
    ranges = {name: each for name, each in graph.ranges.items() if name not in columns.labels or name == columns.value}
    states = [state for state in graph.states if f"{state}.in" in columns.labels]
    begins = [(initial_state[state].dense(np.float64) if state in initial_state else np.zeros(1)) for state in states]
    for name, labels in columns.labels.items():
        own = labels[labels >= 0]
        numbers = np.concatenate([ends.low[own], ends.high[own], *begins])
        whole = Range(numbers.min(), numbers.max())
        if name != columns.value:
            partly = (labels < 0).any() and name in graph.ranges
            ranges[name] = whole | graph.ranges[name] if partly else whole
    each = tuple(zip(ends.low.tolist(), ends.high.tolist(), strict=True))
    return ranges | {value: Range(ends.low.min(), ends.high.max(), each)}


def _last_feature(graph: Graph) -> tuple[str, int]:
    """Return the last layer of the chain of feature cells at the start of a graph, or `x`, and its width."""
    name, width = INPUT, graph.inputs
    while True:
        readers = [layer for layer in graph.layers if name in layer.inputs]
        if len(readers) != 1 or not readers[0].cell.exact:
            return name, width
        name = readers[0].name
        width = graph.layer_traces[name].y.width


def _operations(graph: Graph) -> tuple[list[Op], dict[str, str]]:
    """Return the operations of all layers, without merging, and the name of each layer's output value."""
    names, operations = {INPUT: INPUT}, []
    for layer in graph.layers:
        traced = graph.layer_traces[layer.name]
        for op in traced.operations:
            args = tuple(
                replace(arg, name=names.get(arg.name, arg.name)) if isinstance(arg, Ref) else arg for arg in op.args
            )
            operations.append(replace(op, args=args))
        names[layer.name] = names.get(traced.y.name, traced.y.name)
    return operations, names


def _labels(
    graph: Graph, operations: list[Op], names: Mapping[str, str], value: str, width: int
) -> dict[str, Labels] | None:
    """Return the labels of each value that contains columns; None when any other operation than affine reads them."""
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
    """Iterate over the outputs of a split or concatenation that contain columns: (name, labels)."""
    whole = np.concatenate([labels.get(ref.name, np.full(ref.width, NO_COLUMN)) for ref in op.inputs])
    parts = np.split(whole, np.cumsum(op.widths)[:-1])
    return ((ref.name, part) for ref, part in zip(op.outputs, parts, strict=True) if (part >= 0).any())


def _after(graph: Graph, names: Mapping[str, str], labels: Mapping[str, Labels]) -> Iterator[tuple[str, Labels]]:
    """Iterate over the states that contain columns after a step: (its name before the next step, labels)."""
    for layer in graph.layers:
        traced = graph.layer_traces[layer.name]
        for state, before in traced.before.items():
            after = names.get(traced.after[state].name, traced.after[state].name)
            if after in labels:
                yield before.name, labels[after]


def _layer(graph: Graph, name: str) -> Layer:
    return next(layer for layer in graph.layers if layer.name == name)


def _field(cell: object, tensor: Tensor | None, operations: list[Op]) -> str | None:
    """Return the field of a cell that is this tensor, if it is the only one and only one operation reads it."""
    names = [name for name, each in tensors(cell).items() if each is tensor]
    readers = sum(arg is tensor for op in operations for arg in op.args)
    return names[0] if len(names) == readers == 1 else None
