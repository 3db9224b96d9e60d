"""From a torch.nn.Module to a graph."""

import threading
from typing import Any

import torch
from torch import nn

from edgernn.model.graph import Graph
from edgernn_export.sources.torch.fold import folded, needed
from edgernn_export.sources.torch.proof import prove
from edgernn_export.sources.torch.time_axis import time_of
from edgernn_export.sources.torch.tracing import traced
from edgernn_export.sources.torch.walk import Walked, walk

# torch's default dtype and sys.stderr, which a conversion changes for a while, are those of the whole process
_ONE_AT_A_TIME = threading.RLock()


def convert(
    module: nn.Module, example: Any, time_axis: int | None, period_ms: float | None, labels: tuple[str, ...]
) -> Graph:
    """The graph of a module, proved; see `edgernn_export.from_torch`."""
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        followed = traced(module, example)
        axis = time_of(followed, time_axis)
        walked = walk(followed, axis)
        graph = _graph(walked, period_ms, labels)
        prove(followed, walked, graph)
    return graph.astype("float32")


def _graph(walked: Walked, period_ms: float | None, labels: tuple[str, ...]) -> Graph:
    """The layers that lead to the output, with scales folded."""
    layers, renamed = folded(needed(walked.layers, walked.output.layer))
    for scale, layer in renamed.items():
        if scale in walked.places:
            walked.places[layer] = walked.places[scale]
    names = {layer.name for layer in layers}
    initial_state = {name: tensor for name, tensor in walked.initial_state.items() if name.split(".")[0] in names}
    return Graph(layers, walked.x.width, initial_state, period_ms, labels)
