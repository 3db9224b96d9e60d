"""A trained network as a model that takes the data as it is: one that streams, or one that reads whole windows."""

import numpy as np
import torch

from edgernn.artifact import rnn
from edgernn.model.graph import INPUT, Graph, Layer
from edgernn.model.window import Window
from edgernn.train import window
from edgernn.train.data.features import features
from edgernn.train.data.sequences import Data
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe
from edgernn_export.translate import from_torch, render

Model = Graph | Window

FILES = ("model.rnn", window.FILE)
"""The file of a model: that of a graph, and that of a window."""


def ready(recipe: Recipe, data: Data) -> None:
    """Know before a long training that its model can be written.

    Raises:
        UsageError: a network that has read already what it is asked for.
        MissingExtraError: a package that writes the model is not installed.
    """
    if recipe.shape.bidirectional:
        window.ready()
        window.check(recipe, data)


def convert(network: Network, data: Data) -> Model:
    """The network, in eval mode on the CPU, as a model that takes the data as it is and answers in its units."""
    return window.to_window(network, data) if network.shape.bidirectional else to_graph(network, data)


def untrained(recipe: Recipe, data: Data) -> Model:
    """The model of a recipe before it has learnt anything: a step of it costs what a step of the trained one does."""
    return convert(Network(recipe.shape, data.width, data.outputs, data.vocabulary_size).eval(), data)


def graphs(model: Model) -> tuple[Graph, ...]:
    """The graphs of which a frame passes every one."""
    return model.graphs if isinstance(model, Window) else (model,)


def rendered(model: Model) -> dict[str, bytes]:
    """The file that keeps a model, one of FILES: name -> bytes."""
    return render(model, FILES[1]) if isinstance(model, Window) else {FILES[0]: rnn.dumps(model)}


def to_graph(network: Network, data: Data) -> Graph:
    """A network that streams, between the cells that make its features and those that undo its scaling."""
    frames = features(data.features, data.train.frames[:1])[0]
    steps = max(2, min(len(frames), 8))
    shown = np.resize(frames, (steps, frames.shape[1]))
    example = torch.from_numpy(shown[None, :, 0].astype(np.int64) if data.vocabulary_size else shown[None])
    graph = from_torch(network, example, period_ms=data.period_ms, labels=data.labels)
    before = tuple(Layer(name, cell) for name, cell in data.exact)
    end = before[-1].name if before else INPUT
    layers = tuple(
        Layer(each.name, each.cell, tuple(end if name == INPUT else name for name in each.inputs))
        for each in graph.layers
    )
    return Graph((*before, *layers, *data.behind), data.inputs, graph.initial_state, data.period_ms, data.labels)
