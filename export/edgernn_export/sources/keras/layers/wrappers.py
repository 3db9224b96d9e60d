"""Layers around another layer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from edgernn.errors import FileError
from edgernn_export.sources.keras.layers.building import Builder, Building

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
    inner = b.layer.children["layer"]
    if inner.kind in FRAMES and len(b.shape) == 3:
        return b.make(b.child("layer", b.shapes))
    if inner.kind in FLAT and len(b.shape) == 4:
        return b.make(_over_second_axis(b))
    frames = [(b.shape[0] * b.shape[1], *b.shape[2:])]
    return Each(b.make(b.child("layer", frames)))


def _over_second_axis(b: Building) -> Building:
    """Return the layer inside as the one over two axes of which the first, time, is taken frame by frame."""
    child = b.child("layer", b.shapes)
    config = {name: _pair(value) if name in _SIZES else value for name, value in child.layer.config.items()}
    weights = {name: w[None] if name in _KERNELS else w for name, w in child.weights.items()}
    layer = replace(child.layer, kind=child.layer.kind.replace("1D", "2D"), config=config)
    return replace(child, layer=layer, stored={**child.stored, child.path: weights})


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
