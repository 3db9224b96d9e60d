"""The trainable subgraph of a model: the layers between the feature cells and the layers that undo target scaling."""

from dataclasses import replace

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.model.cell import settings, tensors
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.runtime.parts import check_one
from edgernn.train.data.sequences import Data

FRAMES = 100_000  # the largest number of training frames for calibration


def trainable_subgraph(graph: Graph, data: Data) -> Graph:
    """The layers from the outputs of the feature cells to the scaled targets, with their ranges.

    Args:
        graph: a model that takes raw data.
        data: its training data.

    Raises:
        UsageError: The model has other feature cells or other output layers; with the first layer that differs.
    """
    if not data.named_outputs:
        check_one(graph, "the model", "training")
    elif dict(graph.named_outputs) != dict(data.named_outputs) or graph.named_inputs:
        raise UsageError(
            f"the model has the outputs {', '.join(graph.named_outputs) or 'of one set'}, and the data the targets "
            f"{', '.join(data.named_outputs)}; give a model that was trained on the same data"
        )
    before = tuple(Layer(name, cell) for name, cell in data.exact)
    end = len(graph.layers) - len(data.output_layers)
    first, middle, last = graph.layers[: len(before)], graph.layers[len(before) : end], graph.layers[end:]
    for actual, expected in zip((*first, *last), (*before, *data.output_layers), strict=False):
        if not _same(actual, expected):
            raise UsageError(
                f"the model has a {type(actual.cell).__name__} '{actual.name}'; this data needs the "
                f"{type(expected.cell).__name__} '{expected.name}' with its own parameters. Give a model that was "
                "trained on the same data with the same features"
            )
    if not middle:
        raise UsageError(f"the model has {len(graph.layers)} layers, and none of them is trainable; give another model")
    enters = graph.layer_traces[before[-1].name].y.name if before else INPUT
    layers = tuple(
        replace(each, inputs=tuple(INPUT if before and name == before[-1].name else name for name in each.inputs))
        for each in middle
    )
    count = graph.frames_per_step
    alone = Graph(layers, data.width * count, graph.initial_state, frames_per_step=count)
    known = {name: each for name, each in graph.ranges.items() if name in alone.values and name != INPUT}
    return replace(alone, ranges=known | ({INPUT: graph.ranges[enters]} if enters in graph.ranges else {}))


def to_calibrate(data: Data, frames_per_step: int = 1) -> list[Array]:
    """Sequences of the training part for calibration, in a fixed random order, up to FRAMES frames in whole steps."""
    shown, left = [], FRAMES // frames_per_step * frames_per_step
    for i in np.random.default_rng(0).permutation(len(data.train)):
        if left <= 0:
            break
        shown.append(data.train.frames[i][:left])
        left -= len(shown[-1])
    return shown


def _same(actual: Layer, expected: Layer) -> bool:
    """Whether two layers have equal names, cells and parameters."""
    kinds = (actual.name, type(actual.cell)) == (expected.name, type(expected.cell))
    return kinds and settings(actual.cell) == settings(expected.cell) and tensors(actual.cell) == tensors(expected.cell)
