"""A chain of layers with Bidirectional ones as a model of whole windows: `read_window`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.errors import UnsupportedError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.window import Stage, Window
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.keras.inputs import inputs_of
from edgernn_export.sources.keras.layer import Layer
from edgernn_export.sources.keras.layers.building import Building, identifiers
from edgernn_export.sources.keras.network import make, network, top_class
from edgernn_export.sources.keras.read import parsed
from edgernn_export.sources.keras.wiring import chained, is_chain
from edgernn_export.sources.torch.source import Options, convert

BOTH, POOL = "Bidirectional", "GlobalAveragePooling1D"
MERGES = {"concat": "concat", "ave": "mean"}
"""A merge_mode of Keras -> the merge of a Stage."""

_TRAINING = (
    "Dropout",
    "SpatialDropout1D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
)


@dataclass(frozen=True)
class _Chain:
    """The layers of a model in their order, what builds them, and the example of the first."""

    b: Building
    names: tuple[str, ...]
    example: Tensor


def read_window(path: str, options: ImportOptions) -> Window:
    """Read a model whose recurrent layers run in both directions; each stage is proved in float64.

    Raises:
        FileError: the file is damaged, or its weights do not fit its configuration.
        UnsupportedError: the layers are no chain, a layer is not read, or a backward direction answers once.
        UsageError: no layer runs backwards.
    """
    chain = _chain(path, options)
    layers = [chain.b.layer.named(name) for name in chain.names]
    if not any(layer.kind == BOTH for layer in layers):
        raise UsageError(f"'{path}' has no layer in both directions; it can stream: convert it with from_file")
    pooled = layers[-1].kind == POOL
    stages, x, between = list[Stage](), chain.example, list[str]()
    for layer in layers[: len(layers) - pooled]:
        if layer.kind in _TRAINING:
            continue
        if layer.kind != BOTH:
            between.append(layer.name)
            continue
        x = _forward(chain, between, stages, x)
        x = _both(chain, layer, stages, x)
        between = []
    _forward(chain, between, stages, x)
    return Window(tuple(stages), pooled, options.period_ms, options.labels)


def _chain(path: str, options: ImportOptions) -> _Chain:
    """Return the layers of a model, each of which takes the result of the one before alone."""
    archive, model, stored = parsed(path)
    wiring = model.wiring
    assert wiring is not None
    names = (*wiring.inputs, *(call.layer for call in wiring.calls))
    if not is_chain(wiring):
        raise UnsupportedError(
            f"'{path}' has branches, and a model of whole windows is a chain of layers; save the chain alone"
        )
    (start,) = inputs_of(path, model, step=False, options=options)
    b = Building(path, model, [tuple(start.example.shape)], archive.version, False, make, (), stored)
    return _Chain(b, names[1:], start.example)


def _forward(chain: _Chain, names: Sequence[str], stages: list[Stage], x: Tensor) -> Tensor:
    """Add a stage of layers that run forwards; return its answer."""
    if not names:
        return x
    layer, words = chain.b.layer, identifiers(["x"])
    children = {place: each for place, each in layer.children.items() if each.name in names}
    part = replace(layer, children=children, wiring=chained(["x", *names]))
    module = network(replace(chain.b, layer=part, shapes=[tuple(x.shape)]), top_class([words["x"]])).eval()
    stages.append(Stage(_graph(module, x)))
    with torch.no_grad():
        answer: Tensor = next(iter(module(x).values()))
    return answer


def _both(chain: _Chain, layer: Layer, stages: list[Stage], x: Tensor) -> Tensor:
    """Add a stage that runs in both directions; return its answer."""
    place = next(place for place, each in chain.b.layer.children.items() if each is layer)
    b = chain.b.child(place, [tuple(x.shape)])
    mode = b.get("merge_mode", "concat")
    if mode not in MERGES:
        raise b.refuse("merge_mode", f"expected {' or '.join(map(repr, MERGES))}")
    forward, backward = (_way(b, way, x) for way in ("forward_layer", "backward_layer"))
    b.read |= {"layer", "backward_layer", "weights", "return_sequences", "return_state", "go_backwards"}
    b.check_read()
    stages.append(Stage(_graph(forward, x), _graph(backward, x), MERGES[mode]))
    with torch.no_grad():
        ways = [forward(x), backward(x.flip(1)).flip(1)]
    return torch.cat(ways, -1) if mode == "concat" else (ways[0] + ways[1]) / 2


def _way(b: Building, place: str, x: Tensor) -> Any:
    """Build one direction; the backward one for frames in reversed order."""
    way = b.child(place, [tuple(x.shape)])
    if bool(way.layer.config.get("go_backwards")) != (place == "backward_layer"):
        raise way.refuse("go_backwards", "expected it of the backward layer alone")
    if way.layer.config.get("return_sequences") is not True:
        raise way.refuse(
            "return_sequences",
            "its directions end at different frames, and a window has one answer for each frame, or their mean; set "
            "return_sequences=True, with GlobalAveragePooling1D behind the last layer for one answer",
        )
    config = {**way.layer.config, "go_backwards": False}
    module = make(replace(way, layer=replace(way.layer, config=config)))
    return nn.Sequential(module).eval()


def _graph(module: nn.Module, x: Tensor) -> Graph:
    return convert(module, (x,), 1, None, (), Options())
