"""Layers around another layer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.errors import FileError
from edgernn_export.sources.keras.layer import Wiring
from edgernn_export.sources.keras.layers.building import Builder, Building, identifiers, on_meta
from edgernn_export.sources.keras.wiring import is_chain

FRAMES = ("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Dropout", "Rescaling", "Identity")
"""Classes that work on the last axis alone, whatever stands before it."""


FLAT = ("Conv1D", "DepthwiseConv1D", "SeparableConv1D", "MaxPooling1D", "AveragePooling1D")
"""Classes that run over one axis; over an axis of each frame they run over two, and take one frame at a time."""

_SIZES = ("kernel_size", "strides", "dilation_rate", "pool_size")
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


class Each(nn.Module):
    """A layer for each frame of a sequence alone."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to (batch * time, ...)."""
        y: Tensor = self.layer(x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]))
        return y.reshape(x.shape[0], x.shape[1], *y.shape[1:])


def _time_distributed(b: Building) -> nn.Module:
    b.get("layer")
    if len(b.shape) < 3:
        raise FileError(f"'{b.file}': layer '{b.layer.name}' takes shape {b.shape}; expected (batch, time, ...)")
    return _distributed(b.child("layer", b.shapes))


def _distributed(b: Building) -> nn.Module:
    """Build a layer, or a chain of layers, for each frame of a sequence of this shape."""
    layer = b.layer
    if layer.wiring is not None and is_chain(layer.wiring):
        return _each_of(b, layer.wiring)
    if layer.kind in FRAMES and len(b.shape) == 3:
        return b.make(b)
    if layer.kind in FLAT and len(b.shape) == 4:
        return b.make(_over_second_axis(b))
    return Each(b.make(replace(b, shapes=[(b.shape[0] * b.shape[1], *b.shape[2:])])))


def _each_of(b: Building, wiring: Wiring) -> nn.Module:
    """Build the layers of a chain one after another, each for every frame."""
    places = {layer.name: place for place, layer in b.layer.children.items()}
    chain, x = nn.Sequential(), torch.empty(b.shape, device="meta")
    words = identifiers([call.layer for call in wiring.calls])
    for call in wiring.calls:
        module = _distributed(b.child(places[call.layer], [tuple(x.shape)]))
        chain.add_module(words[call.layer], module)
        x = on_meta(module, (x,), {})
    return chain


def _over_second_axis(b: Building) -> Building:
    """Return a layer over one axis as that over two, of which the first, time, is taken frame by frame."""
    config = {name: _pair(value) if name in _SIZES else value for name, value in b.layer.config.items()}
    weights = {name: w[None] if name in _KERNELS else w for name, w in b.weights.items()}
    layer = replace(b.layer, kind=b.layer.kind.replace("1D", "2D"), config=config)
    return replace(b, layer=layer, stored={**b.stored, b.path: weights})


def _pair(size: Any) -> Any:
    """Return the size along one axis as that along two, the first of which is 1; None is left to the layer."""
    return None if size is None else [1, *(size if isinstance(size, list) else [size])]


def _bidirectional(b: Building) -> nn.Module:
    raise b.refuse(
        "merge_mode",
        "its backward direction needs frames that have not arrived; train with LSTM or GRU alone, or convert it with "
        "edgernn_export.window_from_file for an .onnx that takes whole windows",
    )


LAYERS: Mapping[str, Builder] = {"TimeDistributed": _time_distributed, "Bidirectional": _bidirectional}
"""A class -> its builder."""
