"""What of a model is trained: the layers between those that make its features and those that undo the scaling."""

from dataclasses import replace

import numpy as np

from edgernn.errors import UsageError
from edgernn.model.cell import settings, tensors
from edgernn.model.graph import INPUT, Graph, Layer
from edgernn.model.tensor import Array
from edgernn.train.data.sequences import Data

FRAMES = 100_000  # of the training part from which ranges are learnt, at most


def trainable_subgraph(graph: Graph, data: Data) -> Graph:
    """The layers that read what `data.features` makes and answer as its targets are stored, with their ranges.

    Args:
        graph: a model that takes the data as it is.
        data: what it was trained on.

    Raises:
        UsageError: a model with other features, or other cells behind; naming the first layer that differs.
    """
    before = tuple(Layer(name, cell) for name, cell in data.exact)
    end = len(graph.layers) - len(data.behind)
    first, middle, last = graph.layers[: len(before)], graph.layers[len(before) : end], graph.layers[end:]
    for mine, wanted in zip((*first, *last), (*before, *data.behind), strict=False):
        if not _same(mine, wanted):
            raise UsageError(
                f"the model has a {type(mine.cell).__name__} '{mine.name}' where this data asks for the "
                f"{type(wanted.cell).__name__} '{wanted.name}' with figures of its own; give a model that was trained "
                "on the same data, with the same features"
            )
    if not middle:
        raise UsageError(f"the model has {len(graph.layers)} layers, all of them cells of this data; give another")
    enters = graph.layer_traces[before[-1].name].y.name if before else INPUT
    layers = tuple(
        replace(each, inputs=tuple(INPUT if before and name == before[-1].name else name for name in each.inputs))
        for each in middle
    )
    alone = Graph(layers, data.width, graph.initial_state)
    known = {name: each for name, each in graph.ranges.items() if name in alone.values and name != INPUT}
    return replace(alone, ranges=known | ({INPUT: graph.ranges[enters]} if enters in graph.ranges else {}))


def to_calibrate(data: Data) -> list[Array]:
    """Sequences of the training part in an order by chance, the same every time, up to FRAMES frames."""
    shown, left = [], FRAMES
    for i in np.random.default_rng(0).permutation(len(data.train)):
        if left <= 0:
            break
        shown.append(data.train.frames[i][:left])
        left -= len(shown[-1])
    return shown


def _same(mine: Layer, wanted: Layer) -> bool:
    """Whether a layer has the name, the cell and the figures of another."""
    kinds = (mine.name, type(mine.cell)) == (wanted.name, type(wanted.cell))
    return kinds and settings(mine.cell) == settings(wanted.cell) and tensors(mine.cell) == tensors(wanted.cell)
