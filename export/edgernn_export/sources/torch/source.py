"""Conversion of a torch.nn.Module to a graph."""

import threading
from typing import Any

import torch
from torch import nn

from edgernn.model.graph import Graph
from edgernn_export.sources.torch.feedback import Names
from edgernn_export.sources.torch.fold import folded, needed
from edgernn_export.sources.torch.proof import prove, prove_frames
from edgernn_export.sources.torch.time_axis import time_of
from edgernn_export.sources.torch.tracing import traced
from edgernn_export.sources.torch.walk import NeedsFrameError, Walked, walk

# a conversion changes torch's default dtype and sys.stderr for a while, and both belong to the whole process
_ONE_AT_A_TIME = threading.RLock()


def convert(
    module: nn.Module,
    example: Any,
    time_axis: int | None,
    period_ms: float | None,
    labels: tuple[str, ...],
    states: Names | None = None,
) -> Graph:
    """Convert a module and prove its graph; see `edgernn_export.from_torch`."""
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        trace = traced(module, example, states)
        axis = time_of(trace, time_axis)
        try:
            walked = walk(trace, axis)
        except NeedsFrameError:
            whole, trace = trace, traced(module, _first_frame(example, axis), states)
            walked = walk(trace, None)
            prove_frames(whole, axis, walked, _graph(walked, period_ms, labels))
        graph = _graph(walked, period_ms, labels)
        prove(trace, walked, graph)
    return graph.astype("float32")


def _first_frame(example: Any, axis: int | None) -> Any:
    """Return the example with one frame of its sequence."""
    assert axis is not None
    frames, *states = example if isinstance(example, tuple) else (example,)
    return (frames.narrow(axis, 0, 1), *states)


def _graph(walked: Walked, period_ms: float | None, labels: tuple[str, ...]) -> Graph:
    """Return the graph of the layers that the output depends on, with scales folded."""
    layers, renamed = folded(needed(walked.layers, walked.output.layer, walked.output.width))
    for scale, layer in renamed.items():
        if scale in walked.places:
            walked.places[layer] = walked.places[scale]
    names = {layer.name for layer in layers}
    initial_state = {name: tensor for name, tensor in walked.initial_state.items() if name.split(".")[0] in names}
    return Graph(layers, walked.x.width, initial_state, period_ms, labels)
