"""A trained bidirectional network as a model of whole windows."""

from importlib import import_module

import torch
from torch import nn

from edgernn.device.runtimes import opening
from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.window import Stage, Window
from edgernn.train.data.sequences import Data
from edgernn.train.network.bidirectional import Bidirectional
from edgernn.train.network.models import Network
from edgernn.train.recipe import Recipe
from edgernn_export.targets import TARGETS
from edgernn_export.translate import from_torch

FILE = "model.onnx"
STEPS = 8  # of the example that shows torch what a sequence is

FORETOLD = {"series": "series", "text": "text"}
"""A reader -> the kind of its data whose answers stand later in the same sequence."""


def ready() -> None:
    """Know before a long training that its model can be written.

    Raises:
        MissingExtraError: the package that writes windows, or the one that proves them, is not installed.
    """
    import_module(TARGETS[".onnx"].window)
    import_module(opening(FILE).backend)


def check(recipe: Recipe, data: Data) -> None:
    """Refuse to ask a network for what it has read already.

    Raises:
        UsageError: the answers are later frames of the same sequence.
    """
    if FORETOLD.get(recipe.reader) == data.kind:
        raise UsageError(
            f"reader '{recipe.reader}' asks for what comes later in a sequence, and "
            f"bidirectional='{recipe.shape.bidirectional}' has read all of it; train in one direction"
        )


def to_window(network: Network, data: Data) -> Window:
    """The trained network behind the cells that make its features, each module a stage, each direction by itself.

    Args:
        network: bidirectional, in eval mode on the CPU.
        data: what it was trained on; classes are answered once for a window, all else at every step.
    """
    stages = [] if data.features is None else [Stage(data.features)]
    chance = torch.Generator().manual_seed(0)
    value = (
        torch.arange(STEPS)[None] % data.vocabulary_size
        if data.vocabulary_size
        else torch.randn(1, STEPS, data.width, generator=chance)
    )
    before = nn.Sequential(*(each for each in (network.table, network.before) if each is not None)).eval()
    for part in (before, *network.layers, network.head):
        if isinstance(part, Bidirectional):
            stages.append(Stage(_graph(part.ahead, value), _graph(part.back, value), part.merge))
        elif any(not isinstance(each, nn.Sequential | nn.Identity) for each in part.modules()):
            stages.append(Stage(_graph(part, value)))
        value = part(value).detach()
    return Window(tuple(stages), data.kind == "class", data.period_ms, data.labels)


def _graph(module: nn.Module, example: torch.Tensor) -> Graph:
    return from_torch(module, example, time_axis=1)
