"""Rounding of the matrices of a graph to the form of a scheme; its layers stay the same."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from edgernn.array import Array
from edgernn.cells.joins import Concat
from edgernn.errors import GraphError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.integer.fixedpoint import MOST
from edgernn.integer.plan import (
    INNER_OPERATIONS,
    INTEGER_OPERATIONS,
    TABLE_OPERATIONS,
    QuantizationParameters,
    integer_plan,
)
from edgernn.model import float16, int4
from edgernn.model.cell import tensors, with_tensors
from edgernn.model.graph import PRECISIONS, Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import FOUR_BITS, GROUP, INTEGERS, SCHEMES, STATIC, Tensor
from edgernn.passes.keep import check_keep

LARGEST = 127  # symmetric: -128 is not used

PAYS = 0.5  # of the error, 3 dB; groups give trained GRUs 1 dB for a tenth more bytes, rows with outliers far more


def rounded(graph: Graph, scheme: str, *, keep: Collection[str] = ()) -> Graph:
    """Return the graph in a scheme, with the same layers: `quantize` without `equalize_columns` and warnings.

    Raises:
        UsageError, GraphError, CalibrationError: as in `quantize`.
    """
    check_request(graph, scheme, keep)
    layers = tuple(layer if layer.name in keep else _quantized(graph, layer, scheme) for layer in graph.layers)
    ranges = {name: replace(each, columns=()) for name, each in graph.ranges.items()}
    small = replace(graph, layers=layers, ranges=ranges)
    if scheme in STATIC:
        small = with_headroom(graph, _with_spectra(_without_float_outputs(small), scheme, keep))
    if small.layers == graph.layers and graph.precision not in {*PRECISIONS.values(), scheme}:
        raise UsageError(f"no layer is left to quantize as {scheme}: the graph is in {graph.precision} already")
    return small


def check_request(graph: Graph, scheme: str, keep: Collection[str]) -> None:
    """Check that a scheme and every layer to keep exist.

    Raises:
        UsageError: an unknown scheme or layer.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"there is no scheme '{scheme}'; {misspelt(scheme, SCHEMES)}")
    check_keep(graph, keep)


def _quantized(graph: Graph, layer: Layer, scheme: str) -> Layer:
    if layer.cell.exact or _joins_outputs(graph, layer):
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
    has_scheme = layer.scheme or any(tensor.scheme for tensor in tensors(layer.cell).values())
    has_form = any(op.name in (*INTEGER_OPERATIONS, *TABLE_OPERATIONS, *INNER_OPERATIONS) for op in operations)
    if scheme not in STATIC or has_scheme or not has_form:
        return replace(layer, cell=cell)
    return replace(layer, cell=cell, scheme=scheme)


def _joins_outputs(graph: Graph, layer: Layer) -> bool:
    """Return whether a layer only puts several outputs side by side: in float, so that each has a range of its own."""
    return bool(graph.named_outputs) and layer == graph.layers[-1] and isinstance(layer.cell, Concat)


def _without_float_outputs(graph: Graph) -> Graph:
    """Remove the scheme of each layer whose operations only compute the output in float."""
    plan = integer_plan(graph)
    integer = {op.layer for op in plan.trace.operations if plan.is_integer(op)}
    for name, traced in graph.layer_traces.items():
        if any(op.name in INTEGER_OPERATIONS for op in traced.operations):
            integer.add(name)
    layers = (layer if layer.name in integer else replace(layer, scheme="") for layer in graph.layers)
    return replace(graph, layers=tuple(layers))


def _with_spectra(graph: Graph, scheme: str, keep: Collection[str]) -> Graph:
    """Give the scheme to each feature cell whose transform ends in integers, and to what standardizes its results.

    They then need no float. The weights of a feature cell stay as they are.
    """
    spectral: set[str] = set()
    for layer in graph.layers:
        if not layer.cell.exact or layer.scheme or layer.name in keep:
            continue
        layers = tuple(replace(each, scheme=scheme) if each == layer else each for each in graph.layers)
        if _follows(graph, layer, spectral) or _ends_in_integers(replace(graph, layers=layers), layer):
            graph = replace(graph, layers=layers)
            spectral.add(layer.name)
    return graph


def _follows(graph: Graph, layer: Layer, spectral: Collection[str]) -> bool:
    """Return whether a layer without states scales what these layers compute, and nothing else."""
    operations = graph.layer_traces[layer.name].operations
    return set(layer.inputs) <= set(spectral) and not layer.cell.states and {op.name for op in operations} == {"scale"}


def _ends_in_integers(graph: Graph, layer: Layer) -> bool:
    """Return whether a layer has a transform, and computes with integers alone."""
    plan = integer_plan(graph)
    operations = [op for op in plan.trace.operations if op.layer == layer.name]
    return any(op.name == "rfft" for op in operations) and all(map(plan.is_integer, operations))


def smaller(tensor: Tensor, scheme: str) -> Tensor:
    """Return a float matrix (rows, inputs) in the form of a scheme.

    Raises:
        GraphError: a weight is beyond the largest float16.
    """
    return FORMS.get(scheme, rows_i8)(tensor, scheme)


def rows_i8(tensor: Tensor, scheme: str, least: Array | float = 0.0) -> Tensor:
    """Round a matrix (rows, inputs) to int8: the largest magnitude of each row becomes 127; a row of zeros has scale 0.

    Args:
        tensor: a float matrix.
        scheme: a scheme of int8 weights.
        least: the smallest scale of each row, float32 (rows,); a row with a larger scale than it
            needs uses fewer integers.
    """
    return Tensor(*_rounded(tensor.dense(np.float32), LARGEST, least), scheme)


def rows_i4(tensor: Tensor, scheme: str) -> Tensor:
    """Round a matrix (rows, inputs) to four bits: the largest magnitude of each row, or of each group, becomes 7.

    Groups of 32 inputs, each with a scale, take about one more bit per weight. A matrix has groups when 32 divides its
    inputs and the squared rounding error is below PAYS of that with one scale per row.
    """
    weight = tensor.dense(np.float32)
    integers, scale = _rounded(weight, int4.LARGEST)
    rows, inputs = weight.shape
    if inputs > GROUP and inputs % GROUP == 0:
        groups = weight.reshape(-1, GROUP)
        finer, scales = _rounded(groups, int4.LARGEST)
        if _squared_error(groups, finer, scales) < PAYS * _squared_error(weight, integers, scale):
            integers, scale = finer.reshape(rows, inputs), scales.reshape(rows, -1)
    return Tensor(int4.pack(integers), scale, scheme)


def _rounded(weight: Array, largest: int, least: Array | float = 0.0) -> tuple[Array, Array]:
    """Return int8 integers, rounded half to even, and the float32 scale of each row."""
    scale = float16.above(np.maximum(np.abs(weight).max(axis=1, initial=0) / np.float32(largest), np.float32(least)))
    steps = np.divide(weight, scale[:, None], out=np.zeros_like(weight), where=scale[:, None] > 0)
    integers = np.clip(np.rint(steps), -largest, largest)  # a row of denormal numbers has no exact scale
    return integers.astype(np.int8), scale


def _squared_error(weight: Array, integers: Array, scale: Array) -> float:
    return float(np.square(weight.astype(np.float64) - integers * scale[:, None].astype(np.float64)).sum())


def with_headroom(before: Graph, after: Graph) -> Graph:
    """Return a static graph whose sums fit into 32 bits; rows with sums or biases that would not fit get larger scales.

    Args:
        before: the graph in float.
        after: the same graph with int8 matrices.

    Raises:
        CalibrationError: a value without a range.
        GraphError: a matrix has too many columns for any scale.
    """
    plan = integer_plan(after)
    least: dict[Tensor, Array] = {}
    for op in plan.trace.operations:
        if op.name == "affine" and plan.narrow.is_integer(op):
            weight, ref, bias = op.args
            required = _least(weight, plan.quantization[ref.name], bias, op.layer)
            least[weight] = np.maximum(least.get(weight, required), required)

    def rescaled(float_layer: Layer, layer: Layer) -> Layer:
        old = tensors(float_layer.cell)
        new = {name: tensor for name, tensor in tensors(layer.cell).items() if tensor in least and not old[name].scheme}
        fields = {name: rows_i8(old[name], tensor.scheme, least[tensor]) for name, tensor in new.items()}
        return replace(layer, cell=with_tensors(layer.cell, fields))

    return replace(after, layers=tuple(map(rescaled, before.layers, after.layers)))


def _least(weight: Tensor, x: QuantizationParameters, bias: Tensor | None, layer: str) -> Array:
    """Return the smallest scale of each row with which every sum fits into 32 bits, float32 (rows,)."""
    rows, columns = weight.shape
    available = MOST - 1 - (columns + 1) // 2 * x.reach  # every weight may be rounded up, by half a step
    if available <= 0:
        raise GraphError(
            f"layer '{layer}' has {columns} columns, whose sums do not fit into 32 bits; keep it in float with "
            f"keep=('{layer}',)"
        )
    offset = np.zeros(rows) if bias is None else np.abs(bias.dense(np.float64)) / x.scale
    most = np.abs(weight.dense(np.float64)).sum(axis=1) * x.reach + offset
    least: Array = (most / available * (1 + 1e-6)).astype(np.float32)
    return least


def half(tensor: Tensor, scheme: str = "fp16") -> Tensor:
    """Round a matrix to float16, half to even.

    Raises:
        GraphError: a weight is beyond the largest float16.
    """
    weight = tensor.dense(np.float32)
    most, end = float(np.abs(weight).max(initial=0)), float(np.finfo(np.float16).max)
    if most > end:
        raise GraphError(f"a weight of {most:g} arrived, and float16 ends at {end:g}")
    return Tensor(weight.astype(np.float16), scheme=scheme)


FORMS = {"fp16": half, FOUR_BITS: rows_i4}
"""A scheme -> the function that rounds to its form; rows_i8 for all other schemes."""
