"""How far one model answers as another does, on the same frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph

Array = NDArray[Any]

ENOUGH = 20_000  # frames
TOGETHER = 64  # sequences that are stepped side by side


@dataclass(frozen=True)
class Agreement:
    """What two models make of the same frames.

    Attributes:
        frames: how many there were.
        changed: at how many of them the largest output is another; None where there is one output.
        snr_db: the variance of the first model's outputs, each on its own, against that of the difference, in decibels;
            None where nothing differs.
    """

    frames: int
    changed: int | None
    snr_db: float | None


def agreement(before: Graph, after: Graph, sequences: Sequence[Array]) -> Agreement:
    """Run both over the sequences, each from rest with its state carried, in their own precision.

    Args:
        before: the model to compare with.
        after: one with inputs and outputs of the same widths.
        sequences: (time, inputs) each, at least one; what comes after the first ENOUGH frames is left out.
    """
    shown = _first(sequences, ENOUGH)
    wanted, found = (_answers(graph, shown) for graph in (before, after))
    changed = int(np.sum(wanted.argmax(-1) != found.argmax(-1))) if before.outputs > 1 else None
    finite = np.isfinite(wanted) & np.isfinite(found)  # a logarithm may be of 0
    signal, noise = np.var(wanted[finite]), np.mean(np.square(found[finite] - wanted[finite]))
    return Agreement(len(wanted), changed, round(float(10 * np.log10(signal / noise)), 1) if signal and noise else None)


def _first(sequences: Sequence[Array], frames: int) -> list[Array]:
    shown: list[Array] = []
    for each in sequences:
        if frames <= 0:
            break
        shown.append(each[:frames])
        frames -= len(shown[-1])
    return shown


def _answers(graph: Graph, sequences: Sequence[Array]) -> Array:
    """(frames, outputs) in float64: some sequences side by side, the shorter ones held at their last frame."""
    steps, answers = stepper(graph), []
    for first in range(0, len(sequences), TOGETHER):
        chunk = sequences[first : first + TOGETHER]
        longest = max(map(len, chunk))
        xs = np.stack([each[np.minimum(np.arange(longest), len(each) - 1)] for each in chunk])
        ys, _ = steps.run(xs)
        answers += [y[: len(each)] for y, each in zip(ys, chunk, strict=True)]
    return np.concatenate(answers).astype(np.float64)
