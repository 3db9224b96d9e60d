"""From a torch.nn.Module to a graph."""

from typing import Any

from torch import nn

from edgernn.errors import UnsupportedError, UsageError
from edgernn.graph import Graph
from edgernn_export.sources.torch.fold import folded, needed
from edgernn_export.sources.torch.proof import prove
from edgernn_export.sources.torch.tracing import Traced, traced
from edgernn_export.sources.torch.walk import find_time, walk


def convert(
    module: nn.Module, example: Any, time_axis: int | None, period_ms: float | None, labels: tuple[str, ...]
) -> Graph:
    """The graph of a module, proved; see `edgernn_export.from_torch`."""
    followed = traced(module, example)
    axis = _time(followed, time_axis)
    walked = walk(followed, axis)
    layers, renamed = folded(needed(walked.layers, walked.output.layer))
    for scale, layer in renamed.items():
        if scale in walked.places:
            walked.places[layer] = walked.places[scale]
    names = {layer.name for layer in layers}
    rest = {name: tensor for name, tensor in walked.rest.items() if name.split(".")[0] in names}
    graph = Graph(layers, walked.x.width, rest, period_ms, labels)
    prove(followed, walked, graph)
    return graph.astype("float32")


def _time(followed: Traced, given: int | None) -> int | None:
    """The axis of time in the example; None when the module takes one frame at a time."""
    shape = tuple(followed.example[0].shape)
    steps = any("_cell." in str(node.target) for node in followed.nodes)
    if given is not None and not isinstance(given, int):
        raise UsageError(f"time_axis={given!r} arrived; expected a number from 0 to {len(shape) - 1}")
    axis = given if given is not None else find_time(followed)
    if axis is None and steps:
        return None
    if axis is None:
        raise UsageError(f"no recurrent layer or convolution shows which axis of {shape} is time; give time_axis=")
    if not -len(shape) <= axis < len(shape):
        raise UsageError(f"time_axis={axis} of an example of shape {shape}; expected 0 to {len(shape) - 1}")
    axis %= len(shape)
    if shape[axis] < 2:
        raise UnsupportedError(f"the example {shape} has {shape[axis]} step on its time axis {axis}; give at least two")
    return axis
