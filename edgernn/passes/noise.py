"""What rounding alone does to each matrix of a quantized model: its signal to noise, given what enters it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.integer.forms import affine
from edgernn.integer.plan import IntegerPlan, static
from edgernn.interpreters.numpy import NumpyOps
from edgernn.interpreters.ranges import RangeObserver
from edgernn.model.cell import tensors
from edgernn.model.graph import INPUT, Graph
from edgernn.model.record import Op, Ref
from edgernn.passes.columns import Place, Spans

SAMPLES = 256  # vectors that enter each matrix
SEQUENCES = 8  # among which real ones are shared out
USUAL = 0.95  # of the frames, by what their products come to
TINY = 1e-30

Enters = Mapping[str, Array]
"""The name of a value -> vectors of it, (samples, width)."""


@dataclass(frozen=True)
class Noise:
    """One matrix in a scheme, everything before it as it was.

    Attributes:
        layer, field: which it is, as in `Graph.tensors`.
        snr_db: how far its products lie from their median, over how far they are off; squared, for all rows of the
            usual frames, and infinite where nothing is off.
    """

    layer: str
    field: str
    snr_db: float


def noise(before: Graph, after: Graph, enters: Enters) -> tuple[Noise, ...]:
    """The noise of each matrix that `after` has in a scheme and `before`, of the same layers, has in float."""
    plan = static(after)
    operations = {(op.layer, op.k): op for op in before.trace.operations if op.name == "affine"}
    found = []
    for op in plan.trace.operations:
        old = operations.get((op.layer, op.k))
        if old is None or not op.args[0].scheme or old.args[0].scheme:
            continue
        x = enters[op.args[1].name].astype(np.float32)
        wanted = NumpyOps("float64").affine(old.args[0], x.astype(np.float64), old.args[2])
        made, ends = _made(op, plan)
        db = _snr_db(np.clip(wanted, *ends), made(x).astype(np.float64))
        cell = next(layer.cell for layer in before.layers if layer.name == op.layer)
        field = next((name for name, each in tensors(cell).items() if each is old.args[0]), "")
        found.append(Noise(op.layer, field, db))
    return tuple(found)


def entering(graph: Graph, sequences: Sequence[Array], at: Place | None, spans: Spans | None) -> Enters:
    """What enters the matrices of a float graph: from real sequences, or drawn from what is known without them.

    A column of which nothing is known is taken to be as large as the weights that read it are small, and a value
    without a range to lie between -1 and 1, as states and what is standardized do.
    """
    refs = [op.args[1] for op in graph.trace.operations if op.name == "affine"]
    if sequences:
        return _seen(graph, sequences, refs)
    random = np.random.default_rng(0)
    if spans is None and at is not None and not at.even and at.value not in graph.ranges:
        spans = _guessed(at.largest(graph))
    return {ref.name: random.uniform(*_ends(graph, ref, at, spans), (SAMPLES, ref.width)) for ref in refs}


def _seen(graph: Graph, sequences: Sequence[Array], refs: Sequence[Ref]) -> Enters:
    """Vectors of the first frames of some sequences, evenly among all."""
    chosen = [sequences[k] for k in np.unique(np.linspace(0, len(sequences) - 1, SEQUENCES).astype(int))]
    frames = -(-SAMPLES // len(chosen))
    kept: dict[str, list[Array]] = {ref.name: [] for ref in refs}
    for values in RangeObserver(graph, [sequence[:frames] for sequence in chosen]).frames():
        for name, each in kept.items():
            each.append(values[name])
    return {name: np.concatenate(each) for name, each in kept.items()}


def _ends(graph: Graph, ref: Ref, at: Place | None, spans: Spans | None) -> tuple[Array, Array]:
    """Between what a value that was not seen is drawn, (width,) each."""
    known = graph.ranges.get(ref.name)
    if known is None and at is None and ref.name == INPUT:
        readers = [op.args[0] for op in graph.trace.operations if op.name == "affine" and ref in op.inputs]
        guess = _guessed(np.max([np.abs(weight.dense(np.float64)).max(axis=0) for weight in readers], axis=0))
        return guess.low, guess.high
    low, high = (
        np.full(ref.width, -1.0 if known is None else known.low),
        np.full(ref.width, 1.0 if known is None else known.high),
    )
    if at is not None and spans is not None and ref.name in at.labels:
        labels = at.labels[ref.name]
        own = labels >= 0
        low[own], high[own] = spans.low[labels[own]], spans.high[labels[own]]
    return low, high


def _guessed(most: Array) -> Spans:
    """What columns may reach of which only the largest weights are known."""
    reach = 1 / np.where(most > 0, most, most.max() or 1.0)
    return Spans(-reach, reach)


def _made(op: Op, plan: IntegerPlan) -> tuple[Callable[[Array], Array], tuple[float, float]]:
    """What computes a matrix as it is, and the ends of what it can make."""
    if not plan.integer(op):
        return lambda x: NumpyOps("float32").affine(op.args[0], x, op.args[2]), (-np.inf, np.inf)
    whole, x_on, y_on = affine(op, plan), plan.quantization[op.args[1].name], plan.quantization[op.outputs[0].name]
    low, high = y_on.numbers(np.array([y_on.low, y_on.high]))
    return lambda x: y_on.numbers(whole(x_on.integers(x))), (float(low), float(high))


def _snr_db(wanted: Array, made: Array) -> float:
    """Over all frames but the loudest, so that a single one far beyond all others does not hide what they lose."""
    signal = np.square(wanted - np.median(wanted, axis=0)).sum(axis=1)
    usual = signal <= np.quantile(signal, USUAL)
    lost = np.square(made - wanted).sum(axis=1)[usual].mean()
    if lost == 0 or not signal.any():
        return float("inf")
    return float(10 * np.log10(max(signal[usual].mean(), TINY) / lost))
