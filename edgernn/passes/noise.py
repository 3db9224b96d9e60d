"""The signal-to-noise ratio of each matrix of a quantized model, for given inputs of the matrix."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.integer.forms import affine
from edgernn.integer.plan import IntegerPlan, integer_plan
from edgernn.interpreters.numpy import NumpyOps
from edgernn.interpreters.ranges import RangeObserver
from edgernn.model.cell import tensors
from edgernn.model.graph import INPUT, Graph
from edgernn.model.operation import Op, Ref
from edgernn.passes.columns import ColumnRanges, InputColumns

SAMPLES = 256  # input vectors of each matrix
SEQUENCES = 8  # real sequences that they are taken from
USUAL = 0.95  # the share of frames that counts: those of the smallest products
TINY = 1e-30

MatrixInputs = Mapping[str, Array]
"""The name of a value -> samples of it, (samples, width)."""


@dataclass(frozen=True)
class Noise:
    """The noise of one quantized matrix, with exact inputs.

    Attributes:
        layer, field: the name of the matrix in `Graph.tensors`.
        snr_db: the squared distance of its products from their median over their squared error, in decibels, in all
            rows of the usual frames; infinite when there is no error.
    """

    layer: str
    field: str
    snr_db: float


def noise(before: Graph, after: Graph, inputs: MatrixInputs) -> tuple[Noise, ...]:
    """Return the noise of each matrix that is float in `before` and in a scheme in `after`, a graph of equal layers."""
    plan = integer_plan(after).narrow
    operations = {(op.layer, op.k): op for op in before.trace.operations if op.name == "affine"}
    result = []
    for op in plan.trace.operations:
        old = operations.get((op.layer, op.k))
        if old is None or not op.args[0].scheme or old.args[0].scheme:
            continue
        x = inputs[op.args[1].name].astype(np.float32)
        expected = NumpyOps("float64").affine(old.args[0], x.astype(np.float64), old.args[2])
        compute, ends = _quantized(op, plan)
        db = _snr_db(np.clip(expected, *ends), compute(x).astype(np.float64))
        cell = next(layer.cell for layer in before.layers if layer.name == op.layer)
        field = next((name for name, each in tensors(cell).items() if each is old.args[0]), "")
        result.append(Noise(op.layer, field, db))
    return tuple(result)


def matrix_inputs(
    graph: Graph, sequences: Sequence[Array], columns: InputColumns | None, ranges: ColumnRanges | None
) -> MatrixInputs:
    """Return inputs of the matrices of a float graph: from real sequences, or random numbers within the known ranges.

    A column without a range is assumed to be larger the smaller the weights are that read it. Any other value without a
    range is assumed to lie between -1 and 1, like states and standardized values.
    """
    refs = [op.args[1] for op in graph.trace.operations if op.name == "affine"]
    if sequences:
        return _sampled(graph, sequences, refs)
    random = np.random.default_rng(0)
    if ranges is None and columns is not None and not columns.even and columns.value not in graph.ranges:
        ranges = _guessed(columns.largest(graph))
    return {ref.name: random.uniform(*_ends(graph, ref, columns, ranges), (SAMPLES, ref.width)) for ref in refs}


def _sampled(graph: Graph, sequences: Sequence[Array], refs: Sequence[Ref]) -> MatrixInputs:
    """Return the values of the first frames of SEQUENCES evenly chosen sequences."""
    chosen = [sequences[k] for k in np.unique(np.linspace(0, len(sequences) - 1, SEQUENCES).astype(int))]
    frames = -(-SAMPLES // len(chosen))
    samples: dict[str, list[Array]] = {ref.name: [] for ref in refs}
    for values in RangeObserver(graph, [sequence[:frames] for sequence in chosen]).frames():
        for name, each in samples.items():
            each.append(values[name].reshape(-1, values[name].shape[-1]))
    return {name: np.concatenate(each) for name, each in samples.items()}


def _ends(graph: Graph, ref: Ref, columns: InputColumns | None, ranges: ColumnRanges | None) -> tuple[Array, Array]:
    """Return the interval from which random numbers for a value are drawn, (width,) each."""
    known = graph.ranges.get(ref.name)
    if known is None and columns is None and ref.name == INPUT:
        readers = [op.args[0] for op in graph.trace.operations if op.name == "affine" and ref in op.inputs]
        guess = _guessed(np.max([np.abs(weight.dense(np.float64)).max(axis=0) for weight in readers], axis=0))
        return guess.low, guess.high
    low, high = (
        np.full(ref.width, -1.0 if known is None else known.low),
        np.full(ref.width, 1.0 if known is None else known.high),
    )
    if columns is not None and ranges is not None and ref.name in columns.labels:
        labels = columns.labels[ref.name]
        own = labels >= 0
        low[own], high[own] = ranges.low[labels[own]], ranges.high[labels[own]]
    return low, high


def _guessed(most: Array) -> ColumnRanges:
    """Return the assumed ranges of columns, from the largest weight that reads each."""
    reach = 1 / np.where(most > 0, most, most.max() or 1.0)
    return ColumnRanges(-reach, reach)


def _quantized(op: Op, plan: IntegerPlan) -> tuple[Callable[[Array], Array], tuple[float, float]]:
    """Return a function that computes a quantized matrix, and the ends of its results."""
    if not plan.is_integer(op):
        return lambda x: NumpyOps("float32").affine(op.args[0], x, op.args[2]), (-np.inf, np.inf)
    form, x_params, y_params = (
        affine(op, plan),
        plan.quantization[op.args[1].name],
        plan.quantization[op.outputs[0].name],
    )
    low, high = y_params.numbers(np.array([y_params.low, y_params.high]))
    return lambda x: y_params.numbers(form(x_params.integers(x))), (float(low), float(high))


def _snr_db(expected: Array, actual: Array) -> float:
    """Return the ratio over all frames except the loudest, so that an outlier does not hide the error of the others."""
    signal = np.square(expected - np.median(expected, axis=0)).sum(axis=1)
    usual = signal <= np.quantile(signal, USUAL)
    error = np.square(actual - expected).sum(axis=1)[usual].mean()
    if error == 0 or not signal.any():
        return float("inf")
    return float(10 * np.log10(max(signal[usual].mean(), TINY) / error))
