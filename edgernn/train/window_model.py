"""Convert a trained bidirectional network to a model of whole windows."""

from importlib import import_module

import torch
from torch import nn

from edgernn.device.runtimes import opening
from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.window import Stage, Window
from edgernn.train.data.sequences import Data
from edgernn.train.front import before_recurrent
from edgernn.train.network.bidirectional import Bidirectional
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe
from edgernn_export.targets import TARGETS
from edgernn_export.translate import from_torch

FILE = "model.onnx"
STEPS = 8  # time steps of the example that torch traces

FORECASTS = {"series": "series", "text": "text"}
"""A reader -> the kind of data whose targets are later frames of the same sequence."""


def check_packages() -> None:
    """Check before a long training that its model can be written.

    Raises:
        MissingExtraError: The package that writes windows, or the package that proves them, is not installed.
    """
    import_module(TARGETS[".onnx"].window)
    import_module(opening(FILE).backend)


def check_targets(recipe: Recipe, data: Data) -> None:
    """Refuse data whose targets are among the inputs of a bidirectional network, and sound.

    Raises:
        UsageError: The targets are later frames of the same sequence, or the model answers sound.
    """
    if data.kind == "sound":
        raise UsageError(
            f"reader '{recipe.reader}' trains a model of a stream of sound, and a network with bidirectional="
            f"'{recipe.shape.bidirectional}' takes whole sequences; train in one direction"
        )
    if FORECASTS.get(recipe.reader) == data.kind:
        raise UsageError(
            f"the targets of reader '{recipe.reader}' are later frames of the sequence, and a network with "
            f"bidirectional='{recipe.shape.bidirectional}' has them among its inputs; train in one direction"
        )


def to_window(network: Network, data: Data) -> Window:
    """Convert a network: its feature cells, then one stage per module, with one graph per direction.

    Args:
        network: a bidirectional network, in eval mode on the CPU.
        data: its training data. The output is one class per window, or one value or symbol per step.
    """
    stages = [] if data.features is None else [Stage(data.features)]
    chance = torch.Generator().manual_seed(0)
    value = (
        torch.arange(STEPS)[None] % data.vocabulary_size
        if data.vocabulary_size
        else torch.randn(1, STEPS, data.width, generator=chance)
    )
    layers, value = before_recurrent(network, value)
    if layers:
        stages.append(Stage(Graph(layers, data.width)))
    for part in (*network.layers, network.head):
        if isinstance(part, Bidirectional):
            stages.append(Stage(_graph(part.ahead, value), _graph(part.back, value), part.merge))
        else:
            stages.append(Stage(_graph(part, value)))
        value = part(value).detach()
    return Window(tuple(stages), data.kind == "class", data.period_ms, data.labels)


def _graph(module: nn.Module, example: torch.Tensor) -> Graph:
    return from_torch(module, example, time_axis=1)
