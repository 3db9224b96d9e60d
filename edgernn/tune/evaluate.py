"""What a candidate is worth: how often its artifact answers as the model does, where nobody says what is right."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.artifact.rnn import digest
from edgernn.errors import FrameError, UsageError
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.passes.calibrate import FRAMES, checked
from edgernn.passes.pruning import Pruning
from edgernn.train.data.fingerprint import Fingerprint, versions

Array = NDArray[Any]
Answer = Callable[[Array], Array]
"""(time, inputs) -> (time, outputs), from rest."""

ENOUGH = 2 * FRAMES


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Who says what an artifact is worth.

    Attributes:
        metric: what it is called.
        better: "maximize" or "minimize".
        data: what it is of, in words.
        worth: the metric of answers.
        before: that of the model as it arrived.
        sequences: what static schemes are calibrated on, (time, inputs) each.
        key: names the model, and all that decides what `worth` and `teach` give beside it and the data.
        fingerprint: of the data.
        teach: prunes the model as a plan says, and trains what is left further, with its checkpoint in a folder, from
            which it goes on; None without a recipe.
    """

    metric: str
    better: str
    data: str
    worth: Callable[[Answer], float]
    before: float
    sequences: tuple[Array, ...]
    key: str
    fingerprint: Fingerprint
    teach: Callable[[Pruning, Path], Graph] | None = None


def by_frames(graph: Graph, frames: Iterable[Array], name: str) -> Evaluator:
    """The share of steps at which the largest output is the same as the float model's.

    The first half of the frames calibrates, the second is judged, from rest.

    Args:
        graph: the model.
        frames: (inputs,) each, of one stream.
        name: where they come from, for messages.

    Raises:
        FrameError: a frame of another width, or that must not enter; or too few.
        UsageError: a model with one output, which chooses nothing.
    """
    if graph.outputs == 1:
        raise UsageError(
            "the model has one output, so there is no choice that could stay the same; give the recipe that it was "
            "trained with, whose metric judges"
        )
    rows = list(frames)
    for t, row in enumerate(rows):
        if row.shape != (graph.inputs,):
            raise FrameError(f"frame {t} of '{name}' has {row.size} values; the model reads {graph.inputs}")
    if len(rows) < ENOUGH:
        raise FrameError(
            f"'{name}' has {len(rows)} frames; expected at least {ENOUGH}: half calibrate, and half are judged"
        )
    first, second = np.split(checked(graph, [np.stack(rows)])[0], [len(rows) // 2])
    wanted = stepper(graph).run(second)[0].argmax(-1)

    def worth(answer: Answer) -> float:
        return float(np.mean(answer(second).argmax(-1) == wanted))

    checksum = sha256(f"{first.dtype}".encode() + first.tobytes() + second.tobytes()).hexdigest()
    data = Fingerprint("file", {Path(name).name: checksum}, {}, versions())
    said = f"the last {len(second):,} frames of '{name}'"
    return Evaluator("equal answers", "maximize", said, worth, 1.0, (first,), digest(graph), data)
