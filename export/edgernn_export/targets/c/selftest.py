"""The self-test of a step: frames and answers of the numpy reading, for the machine that the code runs on."""

import numpy as np

from edgernn.integer.plan import IntegerPlan
from edgernn.integer.reproducible import differing
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Array, Stepper, random_frames
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.tensor import DYNAMIC
from edgernn_export.proof.perturbed import DRAWS, PerturbedOps
from edgernn_export.targets.c.pack import number, text
from edgernn_export.targets.naming import NamedTrace

STEPS = 4
ERROR = 1e-4  # of the largest answer
ROUNDING = 10  # times what the arithmetic itself loses in these frames, for models that amplify it
ERROR_ROUNDED = 2e-2  # of the largest answer, where what C computes otherwise in float may turn an integer


def self_test(planned: NamedTrace, whole: IntegerPlan) -> dict[str, object]:
    """What the template of the source has for the self-test."""
    graph, float_io = planned.graph, whole.io_quantization
    frames = np.abs(random_frames(graph.inputs, graph.vocabulary_size, STEPS, seed=1))  # so that logarithms are numbers
    reference = IntegerStepper(graph) if whole.integer_values else Stepper(graph, "float32")
    answers, _ = reference.run(frames)
    finite = np.nan_to_num(answers.astype(np.float32), posinf=0, neginf=0)
    steps = int(np.isfinite(answers).all(axis=1).argmin()) or STEPS * int(np.isfinite(answers[0]).all())
    error = _error(planned, whole, frames, finite)
    return {
        "golden_x": text((float_io[INPUT].integers(frames) if INPUT in float_io else frames).reshape(-1)),
        "golden_y": text((float_io[OUTPUT].integers(finite) if OUTPUT in float_io else finite).reshape(-1)),
        "golden_steps": steps,  # up to the first answer that is no number
        "golden_error": number(error) if OUTPUT not in float_io else str(round(error / float_io[OUTPUT].scale)),
        "golden_differs": "!(y[i] - wanted <= most && wanted - y[i] <= most)" if error else "y[i] != wanted",
    }


def _error(planned: NamedTrace, whole: IntegerPlan, frames: Array, answers: Array) -> float:
    """How far the answers of another machine may be."""
    graph, size = planned.graph, float(np.abs(answers).max())
    differs = whole.trace.y.name in differing(whole)
    if whole.integer_values:
        return ERROR_ROUNDED * size * differs
    if DYNAMIC in graph.precision:
        return (ERROR_ROUNDED if differs else ERROR) * size
    with np.errstate(all="ignore"):
        exact, *others = Stepper(graph, "float64", PerturbedOps()).run(
            np.broadcast_to(frames, (1 + DRAWS, *frames.shape))
        )[0]
        lost = np.abs(np.stack([answers, *others]) - exact)
    return ERROR * size + ROUNDING * float(lost[np.isfinite(lost)].max(initial=0))
