"""How well the outputs of two models agree on the same frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.model.parts import slices
from edgernn.model.timing import in_steps

ENOUGH = 20_000  # frames
BATCH = 64  # sequences that are stepped together


@dataclass(frozen=True)
class Agreement:
    """How well the outputs of two models agree.

    Attributes:
        frames: the number of frames.
        changed: the number of frames where another output is the largest; None for a model with one output. Of
            several named outputs, where that is so in any of them.
        snr_db: the variance of the first model's outputs over the mean squared difference, in decibels; None when the
            outputs are equal. Of several named outputs, that of the worst.
    """

    frames: int
    changed: int | None
    snr_db: float | None


def agreement(before: Graph, after: Graph, sequences: Sequence[Array]) -> Agreement:
    """Run both models over the sequences, each sequence from the initial state, in the models' own precision.

    Args:
        before: the model to compare with.
        after: a model with equal numbers of inputs and outputs.
        sequences: at least one, of shape (time, width of a frame) each, in whole steps. Only the first ENOUGH steps are
            used.
    """
    used = _first([in_steps(each, before.frames_per_step, before.named_inputs) for each in sequences], ENOUGH)
    expected, actual = (np.concatenate(outputs(graph, used)).astype(np.float64) for graph in (before, after))
    parts = [*slices(before.named_outputs).values()] or [slice(None)]
    pairs = [(expected[:, part], actual[:, part]) for part in parts]
    differ = [one.argmax(-1) != other.argmax(-1) for one, other in pairs if one.shape[1] > 1]
    changed = int(np.any(differ, axis=0).sum()) if differ else None
    snrs = [snr_db for one, other in pairs if (snr_db := _snr_db(one, other)) is not None]
    return Agreement(len(expected), changed, min(snrs, default=None))


def _snr_db(expected: Array, actual: Array) -> float | None:
    finite = np.isfinite(expected) & np.isfinite(actual)  # the logarithm of 0 is not finite
    signal, noise = np.var(expected[finite]), np.mean(np.square(actual[finite] - expected[finite]))
    return round(float(10 * np.log10(signal / noise)), 1) if signal and noise else None


def _first(sequences: Sequence[Array], frames: int) -> list[Array]:
    first: list[Array] = []
    for each in sequences:
        if frames <= 0:
            break
        first.append(each[:frames])
        frames -= len(first[-1])
    return first


def outputs(graph: Graph, sequences: Sequence[Array]) -> list[Array]:
    """Return the outputs of each sequence, (steps, outputs), from the initial state, in the precision of the graph.

    Sequences are stepped in batches, in which a shorter one repeats its last frame.

    Args:
        graph: what to compute.
        sequences: whole steps, (time, inputs) each.
    """
    steps, every = stepper(graph), []
    for first in range(0, len(sequences), BATCH):
        batch = sequences[first : first + BATCH]
        longest = max(map(len, batch))
        xs = np.stack([each[np.minimum(np.arange(longest), len(each) - 1)] for each in batch])
        ys, _ = steps.run(xs)
        every += [y[: len(each)] for y, each in zip(ys, batch, strict=True)]
    return every
