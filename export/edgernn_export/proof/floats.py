"""The proof of an artifact: its runtime against the numpy reading, step by step."""

from dataclasses import dataclass

import numpy as np

from edgernn.device.runtimes import named
from edgernn.errors import ParityError
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Array, Stepper, random_frames
from edgernn.interpreters.window import WindowReading
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.model.window import Window
from edgernn.process import interrupt
from edgernn.runtime.program import Program
from edgernn_export.proof.integers import IntegerBounds, within
from edgernn_export.proof.shaken import DRAWS, Shaken

STEPS = 32
LENGTHS = (STEPS, 1, 2, 7)  # of windows


@dataclass(frozen=True)
class Allowance:
    """How far one step of a runtime may be from numpy.

    Attributes:
        size: a part of the largest value in the reference, or of 1.
        own: how many times what the arithmetic itself loses in this very step, for models that amplify it.
    """

    size: float
    own: float


SIZE = 1e-5
FLOAT = Allowance(SIZE, own=10)
"""Of every precision in which no affine rounds its input; edgernn.device.runtimes has the tolerances of the others."""


def prove(graph: Graph, program: Program, steps: int = STEPS) -> None:
    """Step a program and the reference side by side; each step starts from the reference's own state.

    So a model that is itself unstable is compared just as sharply, and a state that is not fed back is found at once.

    Raises:
        ParityError: an output or a state after a step is further from float32 numpy than the tolerance of this
            precision on this runtime.
    """
    single = graph.astype("float32")
    reference, bounds, frames = sides(single, program.backend, steps)
    stream, states = program.stream(), reference.initial_state()
    _compare(program, "at step 0", stream.state, states, dict.fromkeys(states, 0.0))
    for t, frame in enumerate(frames):
        interrupt.check()
        y, after = reference.step(frame, states)
        wanted = {"y": y, **after}
        found = {"y": stream.step(frame), **stream.state}
        _compare(program, f"at step {t}", found, wanted, bounds.of(frame, states, wanted))
        if not all(np.isfinite(state).all() for state in after.values()):
            break  # what a state of no number becomes is nobody's promise
        stream.state = states = after


def prove_window(window: Window, program: Program) -> None:
    """Run a program and the reference on windows of several lengths, each free from its first to its last step.

    Raises:
        ParityError: an answer is further from float32 numpy than the tolerance of this precision on this runtime.
    """
    single = window.astype("float32")
    reference, allowance = WindowReading(single, "float32"), _allowance(single.precision, program.backend)
    exact = WindowReading(single, "float64", Shaken())
    for steps in LENGTHS:
        frames = random_frames(single.inputs, single.vocabulary_size, steps, seed=steps)
        with np.errstate(all="ignore"):
            if not np.isfinite(exact.run(frames[None])).all():
                frames = np.abs(frames)
            wanted = reference.run(frames)
            others = exact.run(np.broadcast_to(frames, (1 + DRAWS, *frames.shape)))
        bound = _bound(allowance, wanted, others)
        _compare(program, f"in a window of {steps}", {"y": program.run(frames)}, {"y": wanted}, {"y": bound})


def sides(graph: Graph, runtime: str, steps: int) -> tuple[Stepper, "Bounds | IntegerBounds", Array]:
    """What a runtime is compared with, how far it may be from that, and on which frames."""
    if any(layer.scheme for layer in graph.layers):
        return IntegerStepper(graph), IntegerBounds(graph, runtime), within(graph, steps)
    bounds = Bounds(graph, runtime)
    return Stepper(graph, "float32"), bounds, _frames(bounds, steps)


def _allowance(precision: str, runtime: str) -> Allowance:
    return Allowance(SIZE, named(runtime).tolerance.dynamic) if DYNAMIC in precision else FLOAT


def _bound(allowance: Allowance, reference: Array, tries: Array) -> float:
    """How far a result may be from the reference; the first of the tries is exact, the others are rounded by chance."""
    exact, *others = tries
    own = max(_distance(other, exact) for other in (reference, *others))
    if allowance is FLOAT and not np.isfinite(own):
        own = 0.0  # whatever is not finite must be the same; rounded to integers, it is nobody's promise
    return allowance.size * _size(reference) + allowance.own * own


class Bounds(Stepper):
    """How far a runtime may be from float32 numpy in a step: by size, and by what the arithmetic itself loses there.

    The step is computed in float64 without any rounding, and again DRAWS times, moved by chance wherever a runtime
    rounds: edgernn_export.proof.shaken. So whatever follows, and amplifies or hides what was lost there,
    has its say; and a value that happens to be rounded well in the reference is no reason to expect the same luck of a
    runtime.

    Args:
        graph: in float32.
        runtime: the name of one, with or without its version.
    """

    def __init__(self, graph: Graph, runtime: str) -> None:
        super().__init__(graph, "float64", Shaken())
        self.allowance = _allowance(graph.precision, runtime)

    def of(self, x: Array, states: dict[str, Array], reference: dict[str, Array]) -> dict[str, float]:
        """For each result of one step, given what float32 numpy makes of the same input and states."""
        before = {name: self._repeated(state).astype(np.float64) for name, state in states.items()}
        y, after = self.step(self._repeated(x), before)
        return {name: _bound(self.allowance, reference[name], tries) for name, tries in {"y": y, **after}.items()}

    def _repeated(self, x: Array) -> Array:
        return np.broadcast_to(x, (1 + DRAWS, *x.shape))


def _frames(exact: Bounds, steps: int) -> Array:
    """Random frames; where their answers are no numbers, as those of a logarithm may be, their absolute values."""
    frames = random_frames(exact.graph.inputs, exact.graph.vocabulary_size, steps)
    with np.errstate(all="ignore"):
        answers, _ = exact.run(frames[None])
    return frames if np.isfinite(answers).all() else np.abs(frames)


def _compare(
    program: Program, where: str, found: dict[str, Array], wanted: dict[str, Array], bounds: dict[str, float]
) -> None:
    for name, reference in wanted.items():
        error = _distance(found[name], reference)
        if not error <= bounds[name]:
            raise ParityError(
                f"'{program.name}' on {program.backend} differs from numpy {where} in '{name}' by {error:.3g}; "
                f"expected at most {bounds[name]:.3g}: please report the model"
            )


def _size(reference: Array) -> float:
    """The largest finite value, or 1."""
    return float(np.abs(reference[np.isfinite(reference)]).max(initial=1.0))


def _distance(found: Array, wanted: Array) -> float:
    """The largest difference; values that are equally infinite, or both no number, do not differ."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        error = np.abs(found - wanted)[~same].max(initial=0.0)
    return float(np.inf if np.isnan(error) else error)
