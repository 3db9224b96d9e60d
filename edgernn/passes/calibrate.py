"""Calibration: the ranges of all values of a graph, learnt from real sequences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import CalibrationError, FrameError, UsageError
from edgernn.files.toml import misspelt
from edgernn.interpreters.ranges import PARTS, Observation, RangeObserver, min_max, mse, percentile
from edgernn.model.graph import Graph
from edgernn.model.range import Range
from edgernn.passes.columns import place, spans

METHODS: Mapping[str, Callable[[Observation], Range]] = MappingProxyType(
    {"min-max": min_max, "percentile": percentile, "mse": mse}
)
"""How a range is made of what was seen -> what makes it."""

FRAMES = 32  # fewer say too little of what values reach


def calibrate(graph: Graph, sequences: Sequence[Array], method: str = "min-max", *, growing: str = "refuse") -> Graph:
    """The same graph with the range of every value, for the static schemes of quantize.

    Each sequence starts from rest and carries its state on, as a stream does: give runs as long as those between two
    resets. A state has one range for what enters a step and what leaves it.

    Args:
        graph: with float weights.
        sequences: float32 (time, inputs) each, of any lengths; int32 (time, 1) before an embedding.
        method: one of METHODS. "min-max" holds all that was seen; "percentile" all but 1 in 10,000 at either end; "mse"
            what 8 bits lose least by.
        growing: what to do with a state that keeps growing to the end of runs of 64 frames or more: "refuse" it, or
            "accept" its range as it is, where no later run is longer.

    Raises:
        UsageError: an unknown method, or another word for growing.
        FrameError: a sequence of the wrong type, shape or dtype, or with a frame that must not enter.
        CalibrationError: too few frames, frames that are all the same, a state that keeps growing, or a value that is
            not finite, with its name.
    """
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'; {misspelt(method, METHODS)}")
    if growing not in {"refuse", "accept"}:
        raise UsageError(f"growing='{growing}' does not exist; there are 'refuse' and 'accept'")
    kept = checked(graph, sequences)
    _check_enough(kept)
    ops = RangeObserver(graph.astype("float32"), kept)
    seen = ops.observe()
    if growing == "refuse":
        _check_growth(graph, seen, max(map(len, kept)))
    finite = {name: each for name, each in seen.items() if np.isfinite([each.low, each.high]).all()}
    _check_finite(graph, seen.keys() - finite.keys())
    if method != "min-max":
        finite = {name: each for name, each in ops.with_counts(seen).items() if name in finite}
    ranges = {name: METHODS[method](each) for name, each in finite.items()}
    for state in ops.trace.states:
        both = [ranges[ref.name] for ref in (state.before, state.after) if ref.name in ranges]
        if both:
            shared = both[0] | both[-1]
            ranges |= {ref.name: shared for ref in (state.before, state.after) if ref.name in ranges}
    return replace(graph, ranges=_with_columns(graph, ranges, kept))


def _with_columns(graph: Graph, ranges: dict[str, Range], sequences: Sequence[Array]) -> dict[str, Range]:
    """The ranges, that of what the first matrices read with one for each column, none beyond the whole."""
    at = place(graph)
    if at is None or at.value not in ranges:
        return ranges
    whole, found = ranges[at.value], spans(graph, at, sequences)
    assert found is not None
    ends = (np.clip(each, whole.low, whole.high) for each in (found.low, found.high))
    return ranges | {at.value: replace(whole, columns=tuple(zip(*ends, strict=True)))}


def checked(graph: Graph, sequences: Sequence[Any]) -> list[Array]:
    """The sequences, when all of them may enter a graph.

    Raises:
        FrameError: one of the wrong type, shape or dtype, or with a frame that must not enter.
    """
    return [_checked(graph, i, sequence) for i, sequence in enumerate(sequences)]


def _checked(graph: Graph, i: int, sequence: Any) -> Array:
    dtype = np.dtype("int32" if graph.vocabulary_size else "float32")
    wanted = f"expected an array of {dtype} of shape (time, {graph.inputs})"
    if not isinstance(sequence, np.ndarray):
        raise FrameError(f"sequence {i} is a {type(sequence).__name__}; {wanted}")
    if sequence.ndim != 2 or sequence.shape[1] != graph.inputs or sequence.dtype != dtype or not len(sequence):
        raise FrameError(
            f"sequence {i} is {sequence.dtype} of shape {sequence.shape}; {wanted}, with at least one frame: layer "
            f"'{graph.layers[0].name}' reads {graph.inputs} values"
        )
    good = (sequence >= 0) & (sequence < graph.vocabulary_size) if graph.vocabulary_size else np.isfinite(sequence)
    if not good.all():
        t, k = (int(place) for place in np.argwhere(~good)[0])
        what = f"0 to {graph.vocabulary_size - 1}, a row of the table" if graph.vocabulary_size else "a finite number"
        raise FrameError(
            f"element {k} of frame {t} of sequence {i} is {sequence[t, k]}; expected {what}: mend or leave out the "
            "sequence"
        )
    return sequence


def _check_enough(sequences: Sequence[Array]) -> None:
    frames = sum(map(len, sequences))
    if frames < FRAMES:
        raise CalibrationError(
            f"{frames} frames arrived to calibrate on; expected at least {FRAMES}, of real sequences that the model "
            "will meet: a few hundred are usual"
        )
    first = sequences[0][0]
    if all((sequence == first).all() for sequence in sequences):
        raise CalibrationError(
            f"all {frames} frames are the same, so ranges would hold nothing else; give real sequences that the model "
            "will meet"
        )


def _check_growth(graph: Graph, seen: Mapping[str, Observation], frames: int) -> None:
    """Refuse a state that keeps growing, but for those of feature cells, which stay float."""
    exact = {layer.name for layer in graph.layers if getattr(layer.cell, "EXACT", False)}
    for state in graph.states:
        layer, reach = _layer(state), seen[f"{state}.in"].reach
        if layer not in exact and seen[f"{state}.in"].grows:
            rate = (reach[-1] - reach[PARTS // 2 - 1]) / (frames / 2)
            raise CalibrationError(
                f"state '{state}' keeps growing: it reached {reach[-1]:.4g} after {frames} frames, and {rate:.3g} more "
                f"with every frame, so no range holds it; keep layer '{layer}' in float, or reset the stream, "
                "calibrate on runs as long as those between two resets, and accept their range with growing='accept' "
                "(--accept-growing)"
            )


def _check_finite(graph: Graph, names: set[str]) -> None:
    """Refuse values that are not finite, but for logarithms, which may be of 0 and stay float."""
    operations = {ref.name: op for said in graph.layer_traces.values() for op in said.operations for ref in op.outputs}
    for name in sorted(names):
        if name in operations and operations[name].name == "log":
            continue
        raise CalibrationError(
            f"value '{name}' of layer '{_layer(name)}' is not finite on these sequences, so it has no range; look for "
            "a frame far larger than those of the training"
        )


def _layer(name: str) -> str:
    return name.partition("/")[0].partition(".")[0]
