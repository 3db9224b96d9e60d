"""Rounding: the matrices of a graph in the forms of a scheme, its layers as they are."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from edgernn.errors import GraphError, UsageError
from edgernn.files.toml import misspelt
from edgernn.integer.fixedpoint import MOST
from edgernn.integer.plan import INTEGER, WITHIN, QuantizationParameters, static
from edgernn.model import float16, int4
from edgernn.model.cell import tensors, with_tensors
from edgernn.model.graph import PRECISIONS, Graph, Layer
from edgernn.model.tensor import FOUR_BITS, GROUP, INTEGERS, SCHEMES, STATIC, Array, Tensor
from edgernn.passes.keep import check

LARGEST = 127  # symmetric: -128 is not used

PAYS = 0.5  # half of the error is 3 dB; trained GRUs win 1 dB for a tenth more bytes, rows with outliers far more


def rounded(graph: Graph, scheme: str, *, keep: Collection[str] = ()) -> Graph:
    """The graph in a scheme, its layers as they are: what `quantize` does once it is `prepared`, and says nothing.

    Raises:
        UsageError, GraphError, CalibrationError: as `quantize` says.
    """
    check_asked(graph, scheme, keep)
    layers = tuple(layer if layer.name in keep else _quantized(graph, layer, scheme) for layer in graph.layers)
    whole = {name: replace(each, columns=()) for name, each in graph.ranges.items()}
    smaller = replace(graph, layers=layers, ranges=whole)
    if scheme in STATIC:
        smaller = with_room(graph, _without_idle(smaller))
    if smaller.layers == graph.layers and graph.precision not in {*PRECISIONS.values(), scheme}:
        raise UsageError(f"no layer is left to quantize as {scheme}: the graph is in {graph.precision} already")
    return smaller


def check_asked(graph: Graph, scheme: str, keep: Collection[str]) -> None:
    """Know that a scheme, and every layer to keep, is there.

    Raises:
        UsageError: one is not.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"there is no scheme '{scheme}'; {misspelt(scheme, SCHEMES)}")
    check(graph, keep)


def _quantized(graph: Graph, layer: Layer, scheme: str) -> Layer:
    if getattr(layer.cell, "EXACT", False):
        return layer
    operations = graph.layer_traces[layer.name].operations
    affines = [op for op in operations if op.name == "affine" and not op.args[0].scheme]
    matrices = {op.args[0] for op in affines}
    biases = {op.args[2] for op in affines if SCHEMES[scheme] in INTEGERS and op.args[2] is not None}
    try:
        fields = {name: smaller(tensor, scheme) for name, tensor in tensors(layer.cell).items() if tensor in matrices}
    except GraphError as error:
        raise GraphError(f"layer '{layer.name}': {error}; leave it in float with keep=('{layer.name}',)") from error
    fields |= {
        name: Tensor(float16.nearest(each.stored)) for name, each in tensors(layer.cell).items() if each in biases
    }
    cell = with_tensors(layer.cell, fields)
    taken = layer.scheme or any(tensor.scheme for tensor in tensors(layer.cell).values())
    if scheme not in STATIC or taken or not any(op.name in (*INTEGER, *WITHIN) for op in operations):
        return replace(layer, cell=cell)
    return replace(layer, cell=cell, scheme=scheme)


def _without_idle(graph: Graph) -> Graph:
    """The graph with layers in float whose only words make the answer in float."""
    plan = static(graph)
    busy = {op.layer for op in plan.trace.operations if plan.integer(op)}
    busy |= {name for name, each in graph.layer_traces.items() if any(op.name in INTEGER for op in each.operations)}
    layers = (layer if layer.name in busy else replace(layer, scheme="") for layer in graph.layers)
    return replace(graph, layers=tuple(layers))


def smaller(tensor: Tensor, scheme: str) -> Tensor:
    """A float matrix (rows, inputs) in the form of a scheme.

    Raises:
        GraphError: a weight beyond the largest float16.
    """
    return FORMS.get(scheme, rows_i8)(tensor, scheme)


def rows_i8(tensor: Tensor, scheme: str, least: Array | float = 0.0) -> Tensor:
    """(rows, inputs) as int8: each row's largest element becomes 127; a row of zeros has scale 0.

    Args:
        tensor: floats.
        scheme: one that is kept in int8.
        least: the smallest scale that each row may have, float32 (rows,); rows that need less use fewer integers.
    """
    return Tensor(*_rounded(tensor.dense(np.float32), LARGEST, least), scheme)


def rows_i4(tensor: Tensor, scheme: str) -> Tensor:
    """(rows, inputs) as integers of four bits: the largest element of each row becomes 7, or that of each group.

    Groups of 32 inputs, each with a scale, take a bit more for every weight. A matrix has them where its rows are of
    whole groups and the squared error of rounding falls below PAYS of what it is with a scale per row.
    """
    weight = tensor.dense(np.float32)
    whole, scale = _rounded(weight, int4.LARGEST)
    rows, inputs = weight.shape
    if inputs > GROUP and inputs % GROUP == 0:
        cut = weight.reshape(-1, GROUP)
        finer, scales = _rounded(cut, int4.LARGEST)
        if _lost(cut, finer, scales) < PAYS * _lost(weight, whole, scale):
            whole, scale = finer.reshape(rows, inputs), scales.reshape(rows, -1)
    return Tensor(int4.pack(whole), scale, scheme)


def _rounded(weight: Array, largest: int, least: Array | float = 0.0) -> tuple[Array, Array]:
    """int8 integers, half to even, and the float32 scale of each row."""
    scale = float16.above(np.maximum(np.abs(weight).max(axis=1, initial=0) / np.float32(largest), np.float32(least)))
    steps = np.divide(weight, scale[:, None], out=np.zeros_like(weight), where=scale[:, None] > 0)
    whole = np.clip(np.rint(steps), -largest, largest)  # a row of denormal numbers has no exact scale
    return whole.astype(np.int8), scale


def _lost(weight: Array, whole: Array, scale: Array) -> float:
    """The squared error of rounding."""
    return float(np.square(weight.astype(np.float64) - whole * scale[:, None].astype(np.float64)).sum())


def with_room(before: Graph, after: Graph) -> Graph:
    """A static graph whose sums 32 bits hold: rows that would reach further, or a bias that would, take larger steps.

    Args:
        before: the graph in float.
        after: the same, its matrices in int8.

    Raises:
        CalibrationError: a value without a range.
        GraphError: a matrix with so many columns that no step is large enough.
    """
    plan = static(after)
    least: dict[Tensor, Array] = {}
    for op in plan.trace.operations:
        if op.name == "affine" and plan.integer(op):
            weight, ref, bias = op.args
            needs = _least(weight, plan.quantization[ref.name], bias, op.layer)
            least[weight] = np.maximum(least.get(weight, needs), needs)

    def roomy(was: Layer, now: Layer) -> Layer:
        old = tensors(was.cell)
        new = {name: tensor for name, tensor in tensors(now.cell).items() if tensor in least and not old[name].scheme}
        fields = {name: rows_i8(old[name], tensor.scheme, least[tensor]) for name, tensor in new.items()}
        return replace(now, cell=with_tensors(now.cell, fields))

    return replace(after, layers=tuple(map(roomy, before.layers, after.layers)))


def _least(weight: Tensor, x: QuantizationParameters, bias: Tensor | None, layer: str) -> Array:
    """The smallest scale of each row with which no sum leaves 32 bits, float32 (rows,)."""
    rows, columns = weight.shape
    room = MOST - 1 - (columns + 1) // 2 * x.reach  # every weight may be rounded up, by half a step
    if room <= 0:
        raise GraphError(
            f"layer '{layer}' has {columns} columns, whose sums 32 bits cannot hold; keep it in float with "
            f"keep=('{layer}',)"
        )
    added = np.zeros(rows) if bias is None else np.abs(bias.dense(np.float64)) / x.scale
    most = np.abs(weight.dense(np.float64)).sum(axis=1) * x.reach + added
    least: Array = (most / room * (1 + 1e-6)).astype(np.float32)
    return least


def half(tensor: Tensor, scheme: str = "fp16") -> Tensor:
    """The same numbers rounded to float16, half to even.

    Raises:
        GraphError: a weight beyond the largest float16.
    """
    weight = tensor.dense(np.float32)
    most, end = float(np.abs(weight).max(initial=0)), float(np.finfo(np.float16).max)
    if most > end:
        raise GraphError(f"a weight of {most:g} arrived, and float16 ends at {end:g}")
    return Tensor(weight.astype(np.float16), scheme=scheme)


FORMS = {"fp16": half, FOUR_BITS: rows_i4}
"""Scheme -> what makes the form; rows_i8 makes all others."""
