"""The feature cells before the network, computed for training by the same operations as on the device."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.cells import Standardize
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor

TOGETHER = 256  # sequences of a batch


def features(graph: Graph | None, frames: Sequence[Array]) -> tuple[Array, ...]:
    """Compute the inputs of the network: each sequence (time, inputs) from the initial state, float32 (time, outputs).

    Args:
        graph: `Data.features`; with None the frames are returned unchanged.
        frames: sequences of different lengths; those of similar length are computed in one batch.
    """
    if graph is None:
        return tuple(frames)
    stepper = Stepper(graph.astype("float32"), "float32")
    results: list[Array] = [np.empty(0)] * len(frames)
    order = sorted(range(len(frames)), key=lambda i: len(frames[i]))
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        xs = np.zeros((len(rows), len(frames[rows[-1]]), graph.inputs), np.float32)
        for x, i in zip(xs, rows, strict=True):
            x[: len(frames[i])] = frames[i]
        for y, i in zip(stepper.run(xs)[0], rows, strict=True):
            results[i] = y[: len(frames[i])].copy()
    return tuple(results)


def standardized(
    exact: Sequence[tuple[str, Any]], frames: Sequence[Array], period_ms: float | None = None
) -> tuple[tuple[str, Any], ...]:
    """Feature cells with a Standardize after them, fitted to the frames of the training part.

    Args:
        exact: (layer name, cell) pairs; may be empty.
        frames: the training part, float32 (time, inputs) each.
        period_ms: the time between frames.
    """
    layers = tuple(Layer(name, cell) for name, cell in exact)
    graph = Graph(layers, frames[0].shape[1], period_ms=period_ms) if layers else None
    mean, deviation = statistics(np.concatenate(features(graph, frames)))
    return (*exact, ("standardize", Standardize(Tensor(mean), Tensor(deviation))))


def statistics(rows: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column of (rows, width), float32. The deviation of a constant column is 1."""
    mean, deviation = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    deviation[deviation <= 1e-7 * np.abs(mean)] = 1.0
    return mean.astype(np.float32), deviation.astype(np.float32)


def in_hops(samples: Array, hop: int) -> Array:
    """(samples,) -> (time, hop). Samples after the last whole hop are dropped."""
    return samples[: len(samples) // hop * hop].reshape(-1, hop)
