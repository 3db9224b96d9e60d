"""Networks that no proof can hold for: states that grow beyond every number, or that amplify rounding."""

import numpy as np

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph

LARGEST = float(np.finfo(np.float32).max)
ROUNDING = 1e-15  # of a value: what float64 may lose in one operation


def check_finite(graph: Graph, frames: Array) -> None:
    """Refuse a graph whose states do not stay finite on these frames (time, inputs).

    Raises:
        UnsupportedError: with the step from which they are not, and how large they were.
    """
    sizes: list[float] = []
    stepper = Stepper(graph)
    states = stepper.initial_state()
    for x in frames:
        states = stepper.step(x, states)[1]
        sizes.append(max((float(np.abs(state).max()) for state in states.values()), default=0.0))
        if not np.isfinite(sizes[-1]):
            raise UnsupportedError(_overflow(sizes))


def _overflow(sizes: list[float]) -> str:
    """What the largest values of the states, step by step, say of how they came to be no numbers."""
    last, before = len(sizes) - 1, sizes[-2] if len(sizes) > 1 else 0.0
    left_float32 = next((t for t, size in enumerate(sizes) if not size <= LARGEST), last)
    if left_float32 < last:
        return (
            f"the states overflow on a random sequence like the example: they leave float32 at step {left_float32}, "
            f"are {before:.3g} at step {last - 1}, and leave float64 at step {last}; nothing bounds them, so no stream "
            "could go on: train with smaller recurrent weights, or use tanh instead of relu"
        )
    return (
        f"the states are no finite numbers from step {last} on, neither on noise nor on the example's own frames, and "
        f"{before:.3g} at most before: is there a logarithm of zero? Give an example of real data"
    )


def amplified(graph: Graph, frames: Array, step: int) -> tuple[Array, Array]:
    """The answer at this step, and the one when every input before changes by one part in 1e15."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=frames.shape)
    near = frames if graph.vocabulary_size else frames * (1 + ROUNDING * signs)
    one, two = (Stepper(graph).run(each[: step + 1])[0][step] for each in (frames, near))
    return one, two
