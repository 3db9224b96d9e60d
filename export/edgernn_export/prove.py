"""The proof of an artifact: its runtime against the numpy reading, step by step."""

import numpy as np

from edgernn.errors import ParityError
from edgernn.graph import Graph
from edgernn.readings.numpy import Array, Stepper, random_frames
from edgernn.runtime import Program

STEPS = 32
TOLERANCE = 1e-5  # of the largest value in the reference, or of 1


def prove(graph: Graph, program: Program, steps: int = STEPS) -> None:
    """Step a program and the reference side by side; each step starts from the reference's own state.

    So a model that is itself unstable is compared just as sharply, and a state that is not fed back is found at once.

    Raises:
        ParityError: an output or a state after a step is further than TOLERANCE from float32 numpy.
    """
    reference, stream = Stepper(graph.astype("float32"), "float32"), program.stream()
    states = reference.rest()
    _compare(program, 0, stream.state, states)
    for t, frame in enumerate(random_frames(graph.inputs, graph.rows, steps)):
        y, after = reference.step(frame, states)
        _compare(program, t, {"y": stream.step(frame), **stream.state}, {"y": y, **after})
        stream.state = states = after


def _compare(program: Program, t: int, found: dict[str, Array], wanted: dict[str, Array]) -> None:
    for name, reference in wanted.items():
        bound = TOLERANCE * max(1.0, float(np.abs(reference).max(initial=0.0)))
        error = float(np.abs(found[name] - reference).max(initial=0.0))
        if not error <= bound:
            raise ParityError(
                f"'{program.name}' on {program.backend} differs from numpy at step {t} in '{name}' by {error:.3g}; "
                f"expected at most {bound:.3g}: please report the model"
            )
