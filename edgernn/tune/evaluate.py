"""Evaluation of candidates, and an evaluator without labels: agreement with the float model."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.artifact.rnn import digest
from edgernn.errors import FrameError, UsageError
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.passes.calibrate import FRAMES, checked
from edgernn.passes.pruning import Pruning
from edgernn.runtime.parts import check_one
from edgernn.train.data.fingerprint import Fingerprint, versions

Predict = Callable[[Array], Array]
"""(time, inputs) -> (time, outputs), from the initial state."""

ENOUGH = 2 * FRAMES


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates artifacts of a model.

    Attributes:
        metric: the name of the metric.
        better: "maximize" or "minimize".
        data: a description of the data.
        score: computes the metric of a model.
        baseline: the metric of the original model.
        sequences: the calibration data of static schemes, (time, inputs) each.
        key: identifies the model and all other inputs of `score` and `finetune`, except the data.
        fingerprint: the fingerprint of the data.
        finetune: prunes and fine-tunes the model, with checkpoints in a folder that it resumes from; None without a
            recipe.
    """

    metric: str
    better: str
    data: str
    score: Callable[[Predict], float]
    baseline: float
    sequences: tuple[Array, ...]
    key: str
    fingerprint: Fingerprint
    finetune: Callable[[Pruning, Path], Graph] | None = None


def by_frames(graph: Graph, frames: Iterable[Array], name: str) -> Evaluator:
    """An evaluator by the share of steps with the same largest output as the float model.

    The first half of the frames is for calibration. The second is for evaluation, from the initial state.

    Args:
        graph: the model.
        frames: the frames of one stream, (inputs,) each.
        name: the name of their file, for messages.

    Raises:
        FrameError: A frame has another width or an invalid value, or there are too few frames.
        UsageError: The model has one output, so there is no largest one.
    """
    if graph.outputs == 1:
        raise UsageError(
            "the model has one output, so answers cannot be compared; give the recipe of its training for its metric"
        )
    check_one(graph, "the model", "the comparison of answers")
    rows = list(frames)
    for t, row in enumerate(rows):
        if row.shape != (graph.inputs,):
            raise FrameError(f"frame {t} of '{name}' has {row.size} values; the model has {graph.inputs} inputs")
    if len(rows) < ENOUGH:
        raise FrameError(
            f"'{name}' has {len(rows)} frames; expected at least {ENOUGH}: half for calibration, half for evaluation"
        )
    first, second = np.split(checked(graph, [np.stack(rows)])[0], [len(rows) // 2])
    expected = stepper(graph).run(second)[0].argmax(-1)

    def score(answer: Predict) -> float:
        return float(np.mean(answer(second).argmax(-1) == expected))

    checksum = sha256(f"{first.dtype}".encode() + first.tobytes() + second.tobytes()).hexdigest()
    data = Fingerprint("file", {Path(name).name: checksum}, {}, versions())
    description = f"the last {len(second):,} frames of '{name}'"
    return Evaluator("equal answers", "maximize", description, score, 1.0, (first,), digest(graph), data)
