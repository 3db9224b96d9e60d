"""Networks that cannot be proved: their states overflow, or they amplify rounding errors."""

import numpy as np

from edgernn.array import Array
from edgernn.errors import UnsupportedError
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph

LARGEST = float(np.finfo(np.float32).max)
ROUNDING = 1e-15  # relative: what float64 may lose in one operation


def check_finite(graph: Graph, frames: Array) -> None:
    """Refuse a graph whose states do not stay finite on these frames (time, inputs).

    Raises:
        UnsupportedError: they do not; the message names the step, and how large they were before.
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
    """Return the message for states that are not finite, from the largest value of the states at each step."""
    last, before = len(sizes) - 1, sizes[-2] if len(sizes) > 1 else 0.0
    left_float32 = next((t for t, size in enumerate(sizes) if not size <= LARGEST), last)
    if left_float32 < last:
        return (
            f"the states overflow on a random sequence like the example: they leave float32 at step {left_float32}, "
            f"are {before:.3g} at step {last - 1}, and leave float64 at step {last}; nothing bounds them, so a stream "
            "would overflow as well: train with smaller recurrent weights, or use tanh instead of relu"
        )
    return (
        f"the states are not finite from step {last} on, neither on noise nor on the example's own frames, and at most "
        f"{before:.3g} before: is there a logarithm of zero? Pass an example of real data"
    )


def amplified(graph: Graph, frames: Array, step: int) -> tuple[Array, Array]:
    """Return the output at this step, and the output when every input changes by one part in 1e15."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=frames.shape)
    near = frames if graph.vocabulary_size else frames * (1 + ROUNDING * signs)
    one, two = (Stepper(graph).run(each[: step + 1])[0][step] for each in (frames, near))
    return one, two
