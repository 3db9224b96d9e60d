"""The definition for whole windows: numpy steps the graphs of each stage over time, forwards and backwards."""

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.numpy import NumpyOps, Stepper
from edgernn.model.window import Window


class WindowStepper:
    """Computes a window model.

    Args:
        window: what to compute.
        dtype: "float64" or "float32", for all values.
        ops: the interpreter, where it is not the definition.
    """

    def __init__(self, window: Window, dtype: str = "float64", ops: NumpyOps | None = None) -> None:
        self.window = window
        self.dtype = np.dtype(dtype)
        self._stages = [
            (stage.merge, [Stepper(graph, dtype, ops) for graph in stage.graphs]) for stage in window.stages
        ]

    def run(self, xs: Array) -> Array:
        """A window (..., time, inputs), of at least one frame -> (..., time, outputs), or (..., 1, outputs) pooled."""
        for merge, (forward, *backward) in self._stages:
            ys = [forward.run(xs)[0], *(_reversed(each.run(_reversed(xs))[0]) for each in backward)]
            xs = self.dtype.type(0.5) * (ys[0] + ys[1]) if merge == "mean" and backward else np.concatenate(ys, axis=-1)
        return xs.mean(axis=-2, keepdims=True) if self.window.pooled else xs


def _reversed(xs: Array) -> Array:
    return xs[..., ::-1, :]
