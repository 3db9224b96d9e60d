"""Calibration: the ranges of all values of a graph, from real sequences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import CalibrationError, FrameError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.interpreters.ranges import PARTS, Observation, RangeObserver, min_max, mse, percentile
from edgernn.model.graph import Graph
from edgernn.model.range import Range
from edgernn.model.timing import in_steps
from edgernn.passes.columns import column_ranges, input_columns

METHODS: Mapping[str, Callable[[Observation], Range]] = MappingProxyType(
    {"min-max": min_max, "percentile": percentile, "mse": mse}
)
"""The name of a calibration method -> the function that returns a range from the observed values."""

FRAMES = 32  # the smallest number of frames


def calibrate(graph: Graph, sequences: Sequence[Array], method: str = "min-max", *, growing: str = "refuse") -> Graph:
    """Return the graph with the range of every value, which the static schemes of `quantize` need.

    Each sequence starts from the initial state, and its state is carried as in a stream. So the sequences should be as
    long as the runs between two resets. A state has the same range before and after a step.

    Args:
        graph: a graph with float weights.
        sequences: float32 (time, width of a frame) each, in whole steps; int32 (time, 1) before an embedding.
        method: one of METHODS. "min-max" covers all observed values, "percentile" all but 1 in 10,000 at either end;
            "mse" minimizes the squared error of 8 bits.
        growing: what to do with a state that still grows at the end of sequences of 64 frames or more: "refuse" it, or
            "accept" its range, which is right when no later run is longer.

    Raises:
        UsageError: an unknown method, or an unknown value of `growing`.
        FrameError: a sequence of the wrong type, shape or dtype, or with a frame that the model cannot take.
        CalibrationError: too few frames, frames that are all equal, a state that keeps growing, or a value that is not
            finite; the message has its name.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'; {misspelt(method, METHODS)}")
    if growing not in {"refuse", "accept"}:
        raise UsageError(f"growing='{growing}' does not exist; there are 'refuse' and 'accept'")
    frames = checked(graph, sequences)
    _check_enough(frames)
    ops = RangeObserver(graph.astype("float32"), frames)
    seen = ops.observe()
    if growing == "refuse":
        _check_growth(graph, seen, max(map(len, frames)))
    finite = {name: each for name, each in seen.items() if np.isfinite([each.low, each.high]).all()}
    _check_finite(graph, seen.keys() - finite.keys())
    if method != "min-max":
        finite = {name: each for name, each in ops.with_counts(seen).items() if name in finite}
    ranges = {name: METHODS[method](each) for name, each in finite.items()}
    for state in ops.trace.states * len(ops.trace.states):  # again, where a state follows another
        both = [ranges[ref.name] for ref in (state.before, state.after) if ref.name in ranges]
        if both:
            shared = both[0] | both[-1]
            ranges |= {ref.name: shared for ref in (state.before, state.after) if ref.name in ranges}
    return replace(graph, ranges=_with_columns(graph, ranges, frames))


def _with_columns(graph: Graph, ranges: dict[str, Range], sequences: Sequence[Array]) -> dict[str, Range]:
    """Add the range of each column to the value that the first matrices read, clipped to the range of the value."""
    columns = input_columns(graph)
    if columns is None or columns.value not in ranges:
        return ranges
    whole, each = ranges[columns.value], column_ranges(graph, columns, sequences)
    assert each is not None
    ends = (np.clip(end, whole.low, whole.high) for end in (each.low, each.high))
    return ranges | {columns.value: replace(whole, columns=tuple(zip(*ends, strict=True)))}


def checked(graph: Graph, sequences: Sequence[Any]) -> list[Array]:
    """Return the sequences (time, width) as steps (steps, inputs), if the graph can take all of them.

    Raises:
        FrameError: a sequence of the wrong type, shape or dtype, or with a frame that the model cannot take.
    """
    return [_checked(graph, i, sequence) for i, sequence in enumerate(sequences)]


def _checked(graph: Graph, i: int, sequence: Any) -> Array:
    dtype = np.dtype("int32" if graph.vocabulary_size else "float32")
    width = graph.inputs // graph.frames_per_step
    expected = f"expected an array of {dtype} of shape (time, {width})"
    if not isinstance(sequence, np.ndarray):
        raise FrameError(f"sequence {i} is a {type(sequence).__name__}; {expected}")
    if sequence.ndim != 2 or sequence.shape[1] != width or sequence.dtype != dtype or not len(sequence):
        raise FrameError(
            f"sequence {i} is {sequence.dtype} of shape {sequence.shape}; {expected}, with at least one frame: layer "
            f"'{graph.layers[0].name}' reads {width} values"
        )
    good = (sequence >= 0) & (sequence < graph.vocabulary_size) if graph.vocabulary_size else np.isfinite(sequence)
    if not good.all():
        t, k = (int(index) for index in np.argwhere(~good)[0])
        what = f"0 to {graph.vocabulary_size - 1}, a row of the table" if graph.vocabulary_size else "a finite number"
        raise FrameError(
            f"element {k} of frame {t} of sequence {i} is {sequence[t, k]}; expected {what}: mend or leave out the "
            "sequence"
        )
    steps: Array = in_steps(sequence, graph.frames_per_step, graph.named_inputs)
    return steps


def _check_enough(sequences: Sequence[Array]) -> None:
    frames = sum(map(len, sequences))
    if frames < FRAMES:
        raise CalibrationError(
            f"{frames} frames arrived for calibration; expected at least {FRAMES}, of real sequences that the model "
            "will meet: a few hundred are usual"
        )
    first = sequences[0][0]
    if all((sequence == first).all() for sequence in sequences):
        raise CalibrationError(
            f"all {frames} frames are equal, so the ranges would cover nothing else; give real sequences that the "
            "model will meet"
        )


def _check_growth(graph: Graph, seen: Mapping[str, Observation], frames: int) -> None:
    """Refuse a state that keeps growing, except those of feature cells, which stay float."""
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    for state in graph.states:
        layer, reach = _layer(state), seen[f"{state}.in"].reach
        if layer not in exact and seen[f"{state}.in"].grows:
            rate = (reach[-1] - reach[PARTS // 2 - 1]) / (frames / 2)
            raise CalibrationError(
                f"state '{state}' keeps growing: it reached {reach[-1]:.4g} after {frames} frames, and grows by "
                f"{rate:.3g} with every frame, so no range covers it; keep layer '{layer}' in float, or reset the "
                "stream, calibrate on runs as long as those between two resets, and accept their range with "
                "growing='accept' (--accept-growing)"
            )


def _check_finite(graph: Graph, names: set[str]) -> None:
    """Refuse values that are not finite, except logarithms and quotients by 0, which stay float."""
    traces = graph.layer_traces.values()
    operations = {ref.name: op for traced in traces for op in traced.operations for ref in op.outputs}
    for name in sorted(names):
        if name in operations and operations[name].name in {"log", "divide"}:
            continue
        raise CalibrationError(
            f"value '{name}' of layer '{_layer(name)}' is not finite on these sequences, so it has no range; look for "
            "a frame far larger than those of the training"
        )


def _layer(name: str) -> str:
    return name.partition("/")[0].partition(".")[0]
