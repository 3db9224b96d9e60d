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
from edgernn.model.parts import slices
from edgernn.model.timing import in_steps
from edgernn.passes.calibrate import FRAMES, checked
from edgernn.passes.pruning import Pruning
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

    Of several outputs, the largest of each that has several values.

    The first half of the frames is for calibration. The second is for evaluation, from the initial state.

    Args:
        graph: the model.
        frames: the frames of one stream, (width,) each; a last step that is not whole is left out.
        name: the name of their file, for messages.

    Raises:
        FrameError: A frame has another width or an invalid value, or there are too few frames.
        UsageError: No output has several values, so there is no largest one.
    """
    choices = [part for part in slices(graph.named_outputs).values() if part.stop - part.start > 1]
    if graph.outputs == 1 or (graph.named_outputs and not choices):
        raise UsageError(
            "no output of the model has several values, so answers cannot be compared; give the recipe of its training "
            "for its metric"
        )
    rows, width = list(frames), graph.inputs // graph.frames_per_step
    for t, row in enumerate(rows):
        if row.shape != (width,):
            raise FrameError(f"frame {t} of '{name}' has {row.size} values; the model has {width} inputs")
    if len(rows) < ENOUGH:
        raise FrameError(
            f"'{name}' has {len(rows)} frames; expected at least {ENOUGH}: half for calibration, half for evaluation"
        )
    steps = len(rows) // graph.frames_per_step
    whole, middle = np.stack(rows[: steps * graph.frames_per_step]), steps // 2 * graph.frames_per_step
    checked(graph, [whole])
    first, second = whole[:middle], whole[middle:]
    parts = choices or [slice(None)]

    def chosen(ys: Array) -> Array:
        return np.stack([ys[:, part].argmax(-1) for part in parts])

    expected = chosen(stepper(graph).run(in_steps(second, graph.frames_per_step, graph.named_inputs))[0])

    def score(answer: Predict) -> float:
        return float(np.mean((chosen(answer(second)) == expected).all(axis=0)))

    checksum = sha256(f"{first.dtype}".encode() + first.tobytes() + second.tobytes()).hexdigest()
    data = Fingerprint("file", {Path(name).name: checksum}, {}, versions())
    description = f"the last {len(second):,} frames of '{name}'"
    return Evaluator("equal answers", "maximize", description, score, 1.0, (first,), digest(graph), data)
