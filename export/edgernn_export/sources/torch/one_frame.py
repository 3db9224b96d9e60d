"""Convolutions and pooling of a value without a time axis: a module of one step keeps past frames as a state."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgernn_export.sources.torch.broadcast import scaled
from edgernn_export.sources.torch.builder import Builder
from edgernn_export.sources.torch.frequency import FREQUENCY, conv2d
from edgernn_export.sources.torch.linear import product
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.value import Flowing, Value
from edgernn_export.sources.torch.weighted import conv1d

Numbers = Sequence[int]
MaybeTensor = torch.Tensor | None


def one_axis(b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, *options: Any) -> Value:
    """Convert nn.Conv1d: over time, or over an axis of one frame, such as the newest frames side by side."""
    if not isinstance(x, Value) or x.time is not None:
        return conv1d(b, x, w, bias, *options)
    return _dense(b, x, lambda t: torch.conv1d(t, w, None, *options), bias)


def two_axes(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Numbers = (1, 1),
    padding: Numbers | str = (0, 0), dilation: Numbers = (1, 1), groups: int = 1,
) -> Value:  # fmt: skip
    """Convert nn.Conv2d: over time and frequency, or over two axes of one frame.

    Where one place on the first of them results, as from the newest frames, the elements on it are channels.
    """
    if not isinstance(x, Value) or x.time is not None or len(x.shape) != 4:
        return conv2d(b, x, w, bias, stride, padding, dilation, groups)
    if b.shape[2] != 1:
        return _dense(b, x, lambda t: torch.conv2d(t, w, None, stride, padding, dilation, groups), bias)
    (near, over), (apart, along) = (_number(padding, i, w, dilation) for i in (0, 1)), dilation
    _, channels, length, frequencies = x.shape
    taps = w.new_zeros(*w.shape[:2], length, w.shape[3])
    for tap in range(w.shape[2]):
        if 0 <= tap * apart - near < length:
            taps[:, :, tap * apart - near] = w[:, :, tap]
    image = x.at((1, channels * length, 1, frequencies), 2)
    options = ((1, stride[-1]), (0, over), (1, along), groups)
    return conv2d(b, image, taps.flatten(1, 2).unsqueeze(2), bias, *options).at(b.shape, None)


def _number(padding: Numbers | str, i: int, w: torch.Tensor, dilation: Numbers) -> int:
    """Return the zeros before the elements on an axis."""
    if isinstance(padding, str):
        return (w.shape[2 + i] - 1) * dilation[i] // 2 if padding == "same" else 0
    return padding[i]


def without_time(convert: Callable[..., Value]) -> Callable[..., Value]:
    """Return a handler of values over time and frequency that also takes one frame of a single time."""

    def converted(b: Builder, x: Flowing, *args: Any) -> Value:
        one = isinstance(x, Value) and x.time is None and len(x.shape) == 4 and x.shape[2] == b.shape[2] == 1
        if not isinstance(x, Value) or not one:
            return convert(b, x, *args)
        y = convert(b, x.at(x.shape, 2), *args)
        if y.lead:
            raise b.refuse(
                "its kernel is longer than the one frame of a step; join it to the frames before, as a state"
            )
        return y.at(b.shape, None)

    return converted


def _dense(b: Builder, x: Value, compute: Callable[[torch.Tensor], torch.Tensor], bias: MaybeTensor) -> Value:
    """Convert a convolution within a frame to a dense layer."""
    value = product(b, frame(b, x), compute)
    return value if bias is None else scaled(b, value, 1.0, bias.reshape(-1, *[1] * (len(b.shape) - 2)))


CONVOLUTIONS: dict[str, Callable[..., Any]] = {
    **{op: without_time(convert) for op, convert in FREQUENCY.items()},
    "conv1d": one_axis,
    "conv2d": two_axes,
}
"""ATen operation -> layers over time and frequency, or within a frame."""
