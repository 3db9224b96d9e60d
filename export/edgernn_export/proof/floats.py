"""The proof of an artifact: its runtime against the numpy interpreter, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.device.runtimes import named
from edgernn.errors import ParityError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper, random_frames
from edgernn.interpreters.window import WindowStepper
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.model.window import Window
from edgernn.process import interrupt
from edgernn.runtime.goldens import distance
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import Program
from edgernn_export.proof.integers import IntegerBounds, frames_in_range
from edgernn_export.proof.perturbed import DRAWS, PerturbedOps

STEPS = 32
LENGTHS = (STEPS, 1, 2, 7)  # of windows


@dataclass(frozen=True)
class Allowance:
    """How far one step of a runtime may be from numpy.

    Attributes:
        size: a part of the largest value in the reference, or of 1.
        own: a multiple of what the arithmetic itself loses in the same step, for models that amplify it.
    """

    size: float
    own: float


SIZE = 1e-5
FLOAT = Allowance(SIZE, own=10)
"""Of precisions in which no affine rounds its input; edgernn.device.runtimes has the tolerances of the others."""


def prove(graph: Graph, program: Program, steps: int = STEPS) -> None:
    """Step a program and the reference side by side; each step starts from the state of the reference.

    So an unstable model is compared as strictly as any other, and a state that is not fed back is found at once.

    Raises:
        ParityError: an output or a state after a step is further from float32 numpy than the tolerance of this
            precision on this runtime.
        UsageError: the runtime is not in the table, and so has no tolerance.
    """
    single = graph.astype("float32")
    reference, bounds, frames = sides(single, program.backend, steps)
    stream, states = program.stream(), reference.initial_state()
    subject = f"'{program.name}' on {program.backend}"
    compare(subject, "at step 0", stream.state, states, dict.fromkeys(states, 0.0))
    for t, frame in enumerate(frames):
        interrupt.check()
        y, after = reference.step(frame, states)
        expected = {"y": y, **after}
        actual = {"y": flat_answer(stream.step(frame)), **stream.state}
        compare(subject, f"at step {t}", actual, expected, bounds.of(frame, states, expected))
        if not all(np.isfinite(state).all() for state in after.values()):
            break  # nothing is defined for the step after a state that is not finite
        stream.state = states = after


def prove_window(window: Window, program: Program) -> None:
    """Run a program and the reference on windows of several lengths.

    Raises:
        ParityError: an answer is further from float32 numpy than the tolerance of this precision on this runtime.
    """
    single = window.astype("float32")
    reference, allowance = WindowStepper(single, "float32"), _allowance(single.precision, program.backend)
    exact = WindowStepper(single, "float64", PerturbedOps())
    for steps in LENGTHS:
        frames = random_frames(single.inputs, single.vocabulary_size, steps, seed=steps)
        with np.errstate(all="ignore"):
            if not np.isfinite(exact.run(frames[None])).all():
                frames = np.abs(frames)
            expected = reference.run(frames)
            draws = exact.run(np.broadcast_to(frames, (1 + DRAWS, *frames.shape)))
        bound = _bound(allowance, expected, draws)
        subject, actual = f"'{program.name}' on {program.backend}", {"y": program.run(frames)}
        compare(subject, f"in a window of {steps}", actual, {"y": expected}, {"y": bound})


def sides(graph: Graph, runtime: str, steps: int) -> tuple[Stepper, "Bounds | IntegerBounds", Array]:
    """The reference of a runtime, its bounds, and the frames on which they are compared."""
    if any(layer.scheme for layer in graph.layers):
        return IntegerStepper(graph), IntegerBounds(graph, runtime), frames_in_range(graph, steps)
    bounds = Bounds(graph, runtime)
    return Stepper(graph, "float32"), bounds, _frames(bounds, steps)


def _allowance(precision: str, runtime: str) -> Allowance:
    return Allowance(SIZE, named(runtime).tolerance.dynamic) if DYNAMIC in precision else FLOAT


def _bound(allowance: Allowance, reference: Array, draws: Array) -> float:
    """How far a result may be from the reference; the first of the draws is exact, the others are perturbed."""
    exact, *perturbed = draws
    own = max(distance(other, exact) for other in (reference, *perturbed))
    if allowance is FLOAT and not np.isfinite(own):
        own = 0.0  # what is not finite must be the same; rounded to integers it is undefined
    return allowance.size * _size(reference) + allowance.own * own


class Bounds(Stepper):
    """How far a runtime may be from float32 numpy in a step: by size, and by what the arithmetic itself loses.

    The step is computed in float64 without any rounding, and again DRAWS times, randomly perturbed wherever a runtime
    rounds (edgernn_export.proof.perturbed). So a bound includes how later operations amplify or hide what is lost, and
    does not depend on how a value happens to be rounded in the reference.

    Args:
        graph: in float32.
        runtime: the name of one, with or without its version.
    """

    rows = 1 + DRAWS  # of a batch: the exact step, and the draws

    def __init__(self, graph: Graph, runtime: str) -> None:
        super().__init__(graph, "float64", PerturbedOps())
        self.allowance = _allowance(graph.precision, runtime)

    def of(self, x: Array, states: dict[str, Array], reference: dict[str, Array]) -> dict[str, float]:
        """The bound of each result of one step, given the results of float32 numpy for the same input and states."""
        before = {name: self._repeated(state).astype(np.float64) for name, state in states.items()}
        y, after = self.step(self._repeated(x), before)
        return {name: self.bound(name, reference[name], draws) for name, draws in {"y": y, **after}.items()}

    def bound(self, _name: str, reference: Array, draws: Array) -> float:
        """The bound of a result, given that of float32 numpy and those of the draws."""
        return _bound(self.allowance, reference, draws)

    def _repeated(self, x: Array) -> Array:
        return np.broadcast_to(x, (self.rows, *x.shape))


def _frames(exact: Bounds, steps: int) -> Array:
    """Random frames; their absolute values where the outputs are not finite, as those of a logarithm may be."""
    frames = random_frames(exact.graph.inputs, exact.graph.vocabulary_size, steps)
    with np.errstate(all="ignore"):
        answers, _ = exact.run(frames[None])
    return frames if np.isfinite(answers).all() else np.abs(frames)


def compare(
    subject: str, where: str, actual: Mapping[str, Array], expected: dict[str, Array], bounds: dict[str, float]
) -> None:
    """Compare the results of a step with those of the reference.

    Raises:
        ParityError: a result is further away than its bound; the message names the subject and where it was.
    """
    for name, reference in expected.items():
        error = distance(actual[name], reference)
        if not error <= bounds[name]:
            raise ParityError(
                f"{subject} differs from numpy {where} in '{name}' by {error:.3g}; "
                f"expected at most {bounds[name]:.3g}: please report the model"
            )


def _size(reference: Array) -> float:
    """The largest finite value, or 1."""
    return float(np.abs(reference[np.isfinite(reference)]).max(initial=1.0))
