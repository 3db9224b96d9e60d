"""The proof of an artifact: its runtime against the numpy reading, step by step."""

import numpy as np

from edgernn.errors import ParityError
from edgernn.graph import Graph
from edgernn.readings.numpy import Array, Stepper, random_frames
from edgernn.runtime import Program

STEPS = 32
TOLERANCES = {"fp32": 1e-5}  # of the largest value in the reference, or of 1
TOLERANCE_QUANTIZED = 2e-2  # an integer may be rounded the other way, which is a whole step of its scale
ROUNDING = 10  # times what float32 itself loses in this very step, for models that amplify it


def prove(graph: Graph, program: Program, steps: int = STEPS) -> None:
    """Step a program and the reference side by side; each step starts from the reference's own state.

    So a model that is itself unstable is compared just as sharply, and a state that is not fed back is found at once.

    Raises:
        ParityError: an output or a state after a step is further than TOLERANCES from float32 numpy.
    """
    single = graph.astype("float32")
    reference, exact, stream = Stepper(single, "float32"), Stepper(single, "float64"), program.stream()
    states = reference.rest()
    _compare(program, 0, stream.state, states, states)
    for t, frame in enumerate(random_frames(graph.inputs, graph.rows, steps)):
        y, after = reference.step(frame, states)
        y_exact, after_exact = exact.step(frame, {name: state.astype(np.float64) for name, state in states.items()})
        found = {"y": stream.step(frame), **stream.state}
        _compare(program, t, found, {"y": y, **after}, {"y": y_exact, **after_exact})
        if not all(np.isfinite(state).all() for state in after.values()):
            break  # what a state of no number becomes is nobody's promise
        stream.state = states = after


def _compare(
    program: Program, t: int, found: dict[str, Array], wanted: dict[str, Array], exact: dict[str, Array]
) -> None:
    for name, reference in wanted.items():
        finite = reference[np.isfinite(reference)]
        own = _distance(reference, exact[name])
        bound = TOLERANCES.get(program.contract.precision, TOLERANCE_QUANTIZED) * np.abs(finite).max(initial=1.0) + (
            ROUNDING * own if np.isfinite(own) else 0.0
        )
        error = _distance(found[name], reference)
        if not error <= bound:
            raise ParityError(
                f"'{program.name}' on {program.backend} differs from numpy at step {t} in '{name}' by {error:.3g}; "
                f"expected at most {bound:.3g}: please report the model"
            )


def _distance(found: Array, wanted: Array) -> float:
    """The largest difference; values that are equally infinite, or both no number, do not differ."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        error = np.abs(found - wanted)[~same].max(initial=0.0)
    return float(np.inf if np.isnan(error) else error)
