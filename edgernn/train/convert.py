"""Convert a trained network to a model that takes raw data: a streaming graph, or a bidirectional window model."""

import numpy as np
import torch

from edgernn.artifact import rnn
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn.model.window import Window
from edgernn.train import window_model
from edgernn.train.data.features import features
from edgernn.train.data.sequences import Data
from edgernn.train.front import before_recurrent
from edgernn.train.network.models import Network, recurrent_part
from edgernn.train.recipe import Recipe
from edgernn_export.translate import from_torch, render

Model = Graph | Window

FILES = ("model.rnn", window_model.FILE)
"""The file name of a streaming model, and that of a window model."""


def check(recipe: Recipe, data: Data) -> None:
    """Check before a long training that its model can be written.

    Raises:
        UsageError: A bidirectional network would have its targets among its inputs.
        MissingExtraError: A package that writes the model is not installed.
    """
    if recipe.shape.bidirectional:
        window_model.check_packages()
        window_model.check_targets(recipe, data)


def convert(network: Network, data: Data) -> Model:
    """Convert a network, in eval mode on the CPU, to a model with inputs and outputs in the units of the data."""
    return window_model.to_window(network, data) if network.shape.bidirectional else to_graph(network, data)


def untrained(recipe: Recipe, data: Data) -> Model:
    """The model of a recipe with its initial weights. A step costs the same as a step of the trained model."""
    return convert(Network(recipe.shape, data.width, data.outputs, data.vocabulary_size).eval(), data)


def graphs(model: Model) -> tuple[Graph, ...]:
    """The graphs that every frame passes through."""
    return model.graphs if isinstance(model, Window) else (model,)


def to_files(model: Model) -> dict[str, bytes]:
    """The file of a model, one of FILES: name -> bytes."""
    return render(model, FILES[1]) if isinstance(model, Window) else {FILES[0]: rnn.dumps(model)}


def to_graph(network: Network, data: Data) -> Graph:
    """Convert a streaming network; add the feature cells before it and the cells that undo target scaling after it."""
    frames = features(data.features, data.train.frames[:1])[0]
    count = network.shape.frames_per_step
    examples = np.resize(frames, (count * max(2, min(len(frames), 8)), frames.shape[1]))
    example = torch.from_numpy(examples[None, :, 0].astype(np.int64) if data.vocabulary_size else examples[None])
    front, between = before_recurrent(network, example)
    graph = from_torch(recurrent_part(network), between, labels=data.labels)
    before = (*(Layer(name, cell, frames=count) for name, cell in data.exact), *front)
    end = before[-1].name if before else INPUT
    layers = tuple(
        Layer(each.name, each.cell, tuple(end if name == INPUT else name for name in each.inputs))
        for each in graph.layers
    )
    layers = (*before, *layers, *data.output_layers)
    return Graph(
        layers,
        data.inputs * count,
        graph.initial_state,
        None if data.period_ms is None else data.period_ms * count,
        data.labels,
        named_outputs=data.named_outputs,
        frames_per_step=count,
        delay_frames=data.delay_frames,
        warmup_frames=data.delay_frames,
    )
