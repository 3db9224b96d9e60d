"""Convolutions and pooling inside one frame, whose past is an argument and no state of the layer: a cache or chunk."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgernn.cells import Gather
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.frequency import FREQUENCY, conv2d, max_pool, mean_pool, transposed
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.weighted import conv1d

Sizes = Sequence[int]
MaybeTensor = torch.Tensor | None


def line(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Sizes = (1,),
    padding: Sizes | str = (0,), dilation: Sizes = (1,), groups: int = 1,
) -> Value:  # fmt: skip
    """Convert nn.Conv1d along an axis of a frame as a convolution over frequency; over time it is conv1d."""
    value = _inside(b, x)
    if value is None:
        return conv1d(b, x, w, bias, stride, padding, dilation, groups)
    both = padding if isinstance(padding, str) else (0, padding[0])
    pairs = ((1, stride[0]), both, (1, dilation[0]))
    return conv2d(b, _image(value), w.unsqueeze(2), bias, *pairs, groups).at(b.shape, None)


def image(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Sizes = (1, 1),
    padding: Sizes | str = (0, 0), dilation: Sizes = (1, 1), groups: int = 1,
) -> Value:  # fmt: skip
    """Convert nn.Conv2d of which one result over time is made from the frames that the argument holds."""
    value = _inside(b, x)
    if value is None:
        return conv2d(b, x, w, bias, stride, padding, dilation, groups)
    if b.shape[2] != 1 and b.shape[3] == 1:  # the frames are on the last axis
        index = torch.arange(value.width).reshape(value.shape).transpose(2, 3)
        value = b.then(Gather(value.width, tuple(index.flatten().tolist())), value, shape=tuple(index.shape))
        padding = padding if isinstance(padding, str) else padding[::-1]
        w, stride, dilation = w.transpose(2, 3), stride[::-1], dilation[::-1]
    elif b.shape[2] != 1:
        raise b.refuse(
            f"it makes {b.shape[2]} frames of one; let the frames before and the new one be as many as its kernel needs"
        )
    return _folded(b, value, w, bias, stride, padding, dilation, groups).at(b.shape, None)


def _folded(
    b: Builder, x: Value, w: torch.Tensor, bias: MaybeTensor, stride: Sizes, padding: Sizes | str, dilation: Sizes,
    groups: int,
) -> Value:  # fmt: skip
    """Convert a convolution with one result over the frames that a value holds: each channel of each is a channel."""
    _, channels, frames, frequencies = x.shape
    reach = (w.shape[2] - 1) * dilation[0]
    before = {"same": reach // 2, "valid": 0}[padding] if isinstance(padding, str) else padding[0]
    taps = w.new_zeros(*w.shape[:2], frames, w.shape[3])
    for tap in range(w.shape[2]):
        if 0 <= tap * dilation[0] - before < frames:
            taps[:, :, tap * dilation[0] - before] = w[:, :, tap]
    whole = x.at((1, channels * frames, 1, frequencies), 2)
    over = padding if isinstance(padding, str) else (0, padding[1])
    return conv2d(b, whole, taps.flatten(1, 2).unsqueeze(2), bias, (1, stride[1]), over, (1, dilation[1]), groups)


def turned(b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, *settings: Any) -> Value:
    """Convert nn.ConvTranspose2d of a single frame over frequency alone."""
    value = _inside(b, x)
    if value is None or value.shape[2] != 1:
        return transposed(b, x, w, bias, *settings)
    if b.shape[2] != 1 or w.shape[2] != 1:
        raise b.refuse("its kernel is longer than the one frame of a step; use one of a single frame")
    return transposed(b, value.at(value.shape, 2), w, bias, *settings).at(b.shape, None)


def pooled(pool: Callable[..., Value]) -> Callable[..., Value]:
    """Return the handler of a pooling along the last axis of a frame."""

    def convert(b: Builder, x: Flowing, size: Sizes, stride: Sizes = (), padding: Sizes = (0,), *more: Any) -> Value:
        value = _inside(b, x)
        if value is None or (len(value.shape) == 4 and value.shape[2] != 1):
            return pool(b, x, size, stride, padding, *more)
        if len(size) == 1:
            size, stride, padding = (1, *size), (1, *(stride or size)), (0, *padding)
        return pool(b, _image(value), size, stride, padding, *more).at(b.shape, None)

    return convert


def _inside(b: Builder, x: Flowing) -> Value | None:
    """Return a value without a time axis, of one sample; None for any other."""
    value = frame(b, x) if getattr(x, "time", None) is None else None
    return value if value is not None and len(value.shape) >= 3 and value.shape[0] == 1 else None


def _image(x: Value) -> Value:
    """Return a frame as an image of one step: (1, channels, 1, frequencies)."""
    return x.at((1, x.shape[1], 1, x.shape[-1]), 2)


WITHIN: dict[str, Callable[..., Any]] = {
    **FREQUENCY,
    "conv1d": line,
    "conv2d": image,
    "conv_transpose2d": turned,
    "max_pool1d": pooled(max_pool),
    "max_pool2d": pooled(max_pool),
    "avg_pool1d": pooled(mean_pool),
    "avg_pool2d": pooled(mean_pool),
}
"""ATen operation -> its handler, along axes of a frame; over time it is that of another module."""
