"""The cells before the network, computed for training by the very words that the device runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import Standardize
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph, Layer
from edgernn.model.tensor import Tensor

Array = NDArray[Any]

TOGETHER = 256  # sequences side by side


def features(graph: Graph | None, frames: Sequence[Array]) -> tuple[Array, ...]:
    """What the network reads: each sequence (time, inputs) through a graph from its rest, float32 (time, outputs).

    Args:
        graph: `Data.features`; None leaves the frames as they are.
        frames: sequences of different lengths; those of similar length are computed side by side.
    """
    if graph is None:
        return tuple(frames)
    stepper = Stepper(graph.astype("float32"), "float32")
    made: list[Array] = [np.empty(0)] * len(frames)
    order = sorted(range(len(frames)), key=lambda i: len(frames[i]))
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        xs = np.zeros((len(rows), len(frames[rows[-1]]), graph.inputs), np.float32)
        for x, i in zip(xs, rows, strict=True):
            x[: len(frames[i])] = frames[i]
        for y, i in zip(stepper.run(xs)[0], rows, strict=True):
            made[i] = y[: len(frames[i])].copy()
    return tuple(made)


def standardized(
    exact: Sequence[tuple[str, Any]], frames: Sequence[Array], period_ms: float | None = None
) -> tuple[tuple[str, Any], ...]:
    """The cells with a Standardize after them, learnt from the frames of the training part.

    Args:
        exact: (layer name, cell), maybe none.
        frames: the training part, float32 (time, inputs) each.
        period_ms: from one frame to the next.
    """
    layers = tuple(Layer(name, cell) for name, cell in exact)
    graph = Graph(layers, frames[0].shape[1], period_ms=period_ms) if layers else None
    mean, deviation = statistics(np.concatenate(features(graph, frames)))
    return (*exact, ("standardize", Standardize(Tensor(mean), Tensor(deviation))))


def statistics(rows: Array) -> tuple[Array, Array]:
    """Mean and deviation of each column of (rows, width), as float32; the deviation of a constant column is 1."""
    mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    deviation[deviation <= 1e-7 * np.abs(mean)] = 1.0
    return mean.astype(np.float32), deviation.astype(np.float32)


def in_hops(samples: Array, hop: int) -> Array:
    """(samples,) -> (time, hop); a rest shorter than a hop is left out."""
    return samples[: len(samples) // hop * hop].reshape(-1, hop)
