"""The self-test of a step: frames with the answers of the numpy interpreter, checked where the code runs."""

from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.integer.plan import IntegerPlan
from edgernn.integer.reproducible import differing
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper, random_frames
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.tensor import DYNAMIC
from edgernn_export.proof.perturbed import DRAWS, PerturbedOps
from edgernn_export.targets.c.pack import initializer, literal
from edgernn_export.targets.naming import NamedTrace

STEPS = 4
ERROR = 1e-4  # of the largest answer
ROUNDING = 10  # times the rounding error of these frames, for models that amplify it
ERROR_ROUNDED = 2e-2  # of the largest answer, where a different rounding in float may change an integer by one


@dataclass(frozen=True)
class Recording:
    """Frames with the answers of the numpy interpreter.

    Attributes:
        frames: (steps, inputs), numbers or symbols.
        answers: (steps, outputs), as float32; those that are not finite are 0.
        finite: the steps before the first answer that is not finite.
        error: the largest difference that another machine may show.
    """

    frames: Array
    answers: Array
    finite: int
    error: float


def recording(named: NamedTrace, whole: IntegerPlan, steps: int, seed: int) -> Recording:
    """Random frames of a seed, answered."""
    graph = named.graph
    frames = np.abs(random_frames(graph.inputs, graph.vocabulary_size, steps, seed))  # so that logarithms are numbers
    reference = IntegerStepper(graph) if whole.integer_values else Stepper(graph, "float32")
    answers, _ = reference.run(frames)
    numbers = np.nan_to_num(answers.astype(np.float32), posinf=0, neginf=0)
    finite = int(np.isfinite(answers).all(axis=1).argmin()) or steps * int(np.isfinite(answers[0]).all())
    return Recording(frames, numbers, finite, _error(named, whole, frames, numbers))


def self_test(named: NamedTrace, whole: IntegerPlan) -> dict[str, object]:
    """The fields of the template that make the self-test."""
    float_io, recorded = whole.io_quantization, recording(named, whole, STEPS, seed=1)
    frames, answers, error = recorded.frames, recorded.answers, recorded.error
    x = float_io[INPUT].integers(frames) if INPUT in float_io else frames
    y = float_io[OUTPUT].integers(answers) if OUTPUT in float_io else answers
    return {
        "test_x": initializer(x.reshape(-1)),
        "test_y": initializer(y.reshape(-1)),
        "test_steps": recorded.finite,
        "test_error": literal(error) if OUTPUT not in float_io else str(round(error / float_io[OUTPUT].scale)),
        "test_differs": "!(y[i] - expected <= most && expected - y[i] <= most)" if error else "y[i] != expected",
    }


def _error(named: NamedTrace, whole: IntegerPlan, frames: Array, answers: Array) -> float:
    """The largest difference that another machine may show."""
    graph, size = named.graph, float(np.abs(answers).max())
    differs = whole.trace.y.name in differing(whole)
    if whole.integer_values:
        return ERROR_ROUNDED * size * differs
    if DYNAMIC in graph.precision:
        return (ERROR_ROUNDED if differs else ERROR) * size
    with np.errstate(all="ignore"):
        exact, *others = Stepper(graph, "float64", PerturbedOps()).run(
            np.broadcast_to(frames, (1 + DRAWS, *frames.shape))
        )[0]
        errors = np.abs(np.stack([answers, *others]) - exact)
    return ERROR * size + ROUNDING * float(errors[np.isfinite(errors)].max(initial=0))
