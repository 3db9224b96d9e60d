"""Conversion of a torch.nn.Module to a graph."""

import threading
from typing import Any

import torch
from torch import nn

from edgernn.model.graph import Graph
from edgernn_export.sources.torch.fold import folded, needed
from edgernn_export.sources.torch.inputs import inputs_of, positional
from edgernn_export.sources.torch.proof import prove
from edgernn_export.sources.torch.time_axis import time_of
from edgernn_export.sources.torch.tracing import traced
from edgernn_export.sources.torch.walk import Walked, walk

# a conversion changes torch's default dtype and sys.stderr for a while, and both belong to the whole process
_ONE_AT_A_TIME = threading.RLock()


def convert(
    module: nn.Module,
    example: Any,
    time_axis: int | None,
    period_ms: float | None,
    labels: tuple[str, ...],
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
) -> Graph:
    """Convert a module and prove its graph; see `edgernn_export.from_torch`."""
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        trace = traced(module, positional(module, example) if isinstance(module, nn.Module) else example)
        axis = time_of(trace, time_axis)
        walked = walk(trace, axis, inputs_of(trace, axis, inputs), outputs)
        graph = _graph(walked, period_ms, labels)
        prove(trace, walked, graph)
    return graph.astype("float32")


def _graph(walked: Walked, period_ms: float | None, labels: tuple[str, ...]) -> Graph:
    """Return the graph of the layers that the output depends on, with scales folded."""
    layers, renamed = folded(needed(walked.layers, walked.output.layer))
    for scale, layer in renamed.items():
        if scale in walked.places:
            walked.places[layer] = walked.places[scale]
    names = {layer.name for layer in layers}
    initial_state = {name: tensor for name, tensor in walked.initial_state.items() if name.split(".")[0] in names}
    xs = zip(walked.inputs.names, walked.xs, strict=True) if len(walked.xs) > 1 else ()
    ys = walked.outputs if len(walked.outputs) > 1 else ()
    return Graph(
        layers,
        walked.x.width,
        initial_state,
        period_ms,
        labels,
        named_inputs={name: x.width for name, x in xs},
        named_outputs={output.name: output.value.width for output in ys},
    )
