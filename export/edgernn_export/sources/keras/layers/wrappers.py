"""Layers around another layer."""

from collections.abc import Mapping

from torch import Tensor, nn

from edgernn.errors import FileError
from edgernn_export.sources.keras.layers.building import Builder, Building

FRAMES = ("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Dropout", "Rescaling", "Identity")
"""Classes that work on the last axis alone, whatever stands before it."""


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
    frames = [(b.shape[0] * b.shape[1], *b.shape[2:])]
    return Each(b.make(b.child("layer", frames)))


def _bidirectional(b: Building) -> nn.Module:
    raise b.refuse(
        "merge_mode",
        "its backward direction needs frames that have not arrived; train with LSTM or GRU alone, or convert it with "
        "edgernn_export.window_from_file for an .onnx that takes whole windows",
    )


LAYERS: Mapping[str, Builder] = {"TimeDistributed": _time_distributed, "Bidirectional": _bidirectional}
"""A class -> its builder."""
