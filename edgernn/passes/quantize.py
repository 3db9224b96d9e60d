"""Quantization without calibration: a graph with smaller weights, and the arithmetic that goes with them."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from edgernn import nibbles
from edgernn.cell import tensors
from edgernn.errors import GraphError, UsageError
from edgernn.graph import PRECISIONS, Graph, Layer
from edgernn.strict import misspelt
from edgernn.tensor import DYNAMIC, FOUR_BITS, GROUP, SCHEMES, Array, Tensor

LARGEST = 127  # symmetric: -128 is not used

PAYS = 0.5  # half of the error is 3 dB; trained GRUs win 1 dB for a tenth more bytes, rows with outliers far more


def quantize(graph: Graph, scheme: str = DYNAMIC, *, keep: Collection[str] = ()) -> Graph:
    """The same graph with the matrices of its affines in a smaller form: symmetric integers have one scale per row,
    or per group of a row where that pays (rows_i4).

    Biases, tables, normalizations and initial states stay as they are, and so do feature cells (`EXACT`) and layers
    that are in a scheme already.

    Args:
        graph: with float weights.
        scheme: one of edgernn.tensor.SCHEMES, named as ai-edge-quantizer does.
        keep: names of layers to leave in float.

    Raises:
        UsageError: an unknown scheme, a layer to keep that is not there, or a graph that is in another scheme already.
        GraphError: a weight that the scheme cannot hold, naming its layer.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"there is no scheme '{scheme}'; {misspelt(scheme, SCHEMES)}")
    names = [layer.name for layer in graph.layers]
    for name in keep:
        if name not in names:
            raise UsageError(f"there is no layer '{name}' to keep; {misspelt(name, names)}")
    layers = tuple(layer if layer.name in keep else _quantized(graph, layer, scheme) for layer in graph.layers)
    smaller = replace(graph, layers=layers)
    if smaller.layers == graph.layers and graph.precision not in {*PRECISIONS.values(), scheme}:
        raise UsageError(f"no layer is left to quantize as {scheme}: the graph is in {graph.precision} already")
    return smaller


def _quantized(graph: Graph, layer: Layer, scheme: str) -> Layer:
    if getattr(layer.cell, "EXACT", False):
        return layer
    words = [word for word in graph.recorded[layer.name].words if word.name == "affine"]
    matrices = {word.args[0] for word in words if not word.args[0].scheme}
    try:
        fields: dict[str, Any] = {
            name: smaller(tensor, scheme) for name, tensor in tensors(layer.cell).items() if tensor in matrices
        }
    except GraphError as error:
        raise GraphError(f"layer '{layer.name}': {error}; leave it in float with keep=('{layer.name}',)") from error
    return replace(layer, cell=replace(layer.cell, **fields))


def smaller(tensor: Tensor, scheme: str) -> Tensor:
    """A float matrix (rows, inputs) in the form of a scheme.

    Raises:
        GraphError: a weight beyond the largest float16.
    """
    return FORMS.get(scheme, rows_i8)(tensor, scheme)


def rows_i8(tensor: Tensor, scheme: str) -> Tensor:
    """(rows, inputs) as int8: each row's largest element becomes 127; a row of zeros has scale 0."""
    return Tensor(*_rounded(tensor.dense(np.float32), LARGEST), scheme)


def rows_i4(tensor: Tensor, scheme: str) -> Tensor:
    """(rows, inputs) as integers of four bits: the largest element of each row becomes 7, or that of each group.

    Groups of 32 inputs, each with a scale, take a bit more for every weight. A matrix has them where its rows are of
    whole groups and the squared error of rounding falls below PAYS of what it is with a scale per row.
    """
    weight = tensor.dense(np.float32)
    whole, scale = _rounded(weight, nibbles.LARGEST)
    rows, inputs = weight.shape
    if inputs > GROUP and inputs % GROUP == 0:
        cut = weight.reshape(-1, GROUP)
        finer, scales = _rounded(cut, nibbles.LARGEST)
        if _lost(cut, finer, scales) < PAYS * _lost(weight, whole, scale):
            whole, scale = finer.reshape(rows, inputs), scales.reshape(rows, -1)
    return Tensor(nibbles.pack(whole), scale, scheme)


def _rounded(weight: Array, largest: int) -> tuple[Array, Array]:
    """int8 integers, half to even, and the float32 scale of each row."""
    scale = np.abs(weight).max(axis=1, initial=0) / np.float32(largest)
    steps = np.divide(weight, scale[:, None], out=np.zeros_like(weight), where=scale[:, None] > 0)
    whole = np.clip(np.rint(steps), -largest, largest)  # a row of denormal numbers has no exact scale
    return whole.astype(np.int8), scale


def _lost(weight: Array, whole: Array, scale: Array) -> float:
    """The squared error of rounding."""
    return float(np.square(weight.astype(np.float64) - whole * scale[:, None].astype(np.float64)).sum())


def halves(tensor: Tensor, scheme: str = "fp16") -> Tensor:
    """The same numbers rounded to float16, half to even.

    Raises:
        GraphError: a weight beyond the largest float16.
    """
    weight = tensor.dense(np.float32)
    most, end = float(np.abs(weight).max(initial=0)), float(np.finfo(np.float16).max)
    if most > end:
        raise GraphError(f"a weight of {most:g} arrived, and float16 ends at {end:g}")
    return Tensor(weight.astype(np.float16), scheme=scheme)


FORMS = {"fp16": halves, FOUR_BITS: rows_i4}
"""Scheme -> what makes the form; rows_i8 makes all others."""
