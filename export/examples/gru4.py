"""Writes gru4.c and gru4.h beside this file: a GRU of 4 units and a dense head, as `export` writes them."""

import sys
from pathlib import Path

import numpy as np

from edgernn import Graph, Layer, Tensor, cells
from edgernn_export import export

FOLDER = Path(__file__).parent


def weights(*shape: int) -> Tensor:
    """Weights between -1 and 1 that look drawn; every one is a float32 exactly."""
    size = int(np.prod(shape))
    return Tensor(((np.arange(1, size + 1) * 7919 % 257 - 128) / 128).astype(np.float32).reshape(shape))


def graph() -> Graph:
    """3 numbers a frame, 100 frames a second, 2 scores."""
    gru = cells.Gru(weights(12, 3), weights(12, 4), weights(12), weights(12))
    layers = (Layer("gru", gru), Layer("scores", cells.Dense(weights(2, 4), weights(2))))
    return Graph(layers, inputs=3, period_ms=10.0, labels=("quiet", "loud"))


if __name__ == "__main__":
    export(graph(), (Path(sys.argv[1]) if sys.argv[1:] else FOLDER) / "gru4.c")
