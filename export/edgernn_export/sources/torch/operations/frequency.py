"""Convolutions over time and frequency, and pooling over frequency; a frame is (channels, frequencies)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from edgernn.cells import Concat, Conv2d, DepthwiseConv2d, Pool, Slice
from edgernn_export.sources.torch.layers.builder import Builder, weight
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.windows import Windows, placed, sides

Pair = Sequence[int]
MaybeTensor = torch.Tensor | None


def conv2d(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Pair = (1, 1),
    padding: Pair | str = (0, 0), dilation: Pair = (1, 1), groups: int = 1,
) -> Value:  # fmt: skip
    """Convert nn.Conv2d over time and frequency, aligned with its newest input frame."""
    value = _image(b, x)
    kernel, strides, dilations = (_time_first(value, pair) for pair in (w.shape[2:], stride, dilation))
    reach = [(taps - 1) * step for taps, step in zip(kernel, dilations, strict=True)]
    paddings = [padding] * 2 if isinstance(padding, str) else [*_time_first(value, padding)]
    (left, right), (below, above) = map(sides, paddings, reach)
    value, age, after = placed(b, value, Windows(kernel[0], dilations[0], strides[0], left, right))
    over_frequency = {"stride": strides[1], "below": below, "above": above, "dilation": dilations[1]}
    over_time = {"frame_dilation": dilations[0], "frame_stride": strides[0], "age": age}
    return after.of(_convolved(b, value, w, bias, groups, {**over_frequency, **over_time}))


def transposed(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Pair = (1, 1), padding: Pair = (0, 0),
    more: Pair = (0, 0), groups: int = 1, dilation: Pair = (1, 1),
) -> Value:  # fmt: skip
    """Convert nn.ConvTranspose2d: a convolution with reversed taps over frequencies that are spread by the stride."""
    value = _image(b, x)
    pairs = (w.shape[2:], stride, padding, more, dilation)
    kernel, strides, paddings, mores, dilations = (_time_first(value, pair) for pair in pairs)
    below = (kernel[1] - 1) * dilations[1] - paddings[1]
    if strides[0] != 1 or mores[0]:
        raise b.refuse("it has a stride over time, which makes several frames of one; use stride 1 over time")
    if below < 0:
        raise b.refuse("its padding over frequency is larger than its kernel; slice the result instead")
    turned = w.reshape(groups, -1, *w.shape[1:]).transpose(1, 2).flatten(0, 1).flip(2, 3)
    reach = (kernel[0] - 1) * dilations[0]
    value, _, after = placed(b, value, Windows(kernel[0], dilations[0], 1, reach - paddings[0], reach - paddings[0]))
    settings = {"spread": strides[1], "below": below, "above": below + mores[1], "dilation": dilations[1]}
    return after.of(_convolved(b, value, turned, bias, groups, {**settings, "frame_dilation": dilations[0]}))


def transposed_line(
    b: Builder, x: Flowing, w: torch.Tensor, bias: MaybeTensor = None, stride: Pair = (1,), padding: Pair = (0,),
    more: Pair = (0,), groups: int = 1, dilation: Pair = (1,),
) -> Value:  # fmt: skip
    """Convert nn.ConvTranspose1d over time."""
    if not isinstance(x, Value) or len(x.shape) != 3 or x.shape[0] != 1 or x.time != 2:
        raise b.refuse("it does not run over time; put time on the last axis, as nn.ConvTranspose1d expects it")
    image, pairs = x.at((*x.shape, 1), 2), ((stride[0], 1), (padding[0], 0), (more[0], 0))
    return transposed(b, image, w.unsqueeze(3), bias, *pairs, groups, (dilation[0], 1))


def max_pool(
    b: Builder,
    x: Flowing,
    size: Pair,
    stride: Pair = (),
    padding: Pair = (0,),
    dilation: Pair = (1,),
    ceil: bool = False,
) -> Value:
    """Convert max_pool1d and max_pool2d."""
    if ceil or set(dilation) != {1}:
        raise b.refuse("it has a dilation or ceil_mode; only pooling without them is supported")
    return _pooled(b, x, "max", size, stride or size, padding)


def mean_pool(
    b: Builder, x: Flowing, size: Pair, stride: Pair = (), padding: Pair = (0,), ceil: bool = False,
    pads: bool = True, divisor: int | None = None,
) -> Value:  # fmt: skip
    """Convert avg_pool1d and avg_pool2d."""
    if ceil or divisor is not None or (any(padding) and not pads):
        raise b.refuse("it has ceil_mode, a divisor or count_include_pad=False; only pooling without them is supported")
    return _pooled(b, x, "mean", size, stride or size, padding)


def _pooled(b: Builder, x: Flowing, kind: str, size: Pair, stride: Pair, padding: Pair) -> Value:
    value = _image(b, frame(b, x))
    sizes, strides, paddings = (
        _time_first(value, pair, other) for pair, other in ((size, 1), (stride, 1), (padding, 0))
    )
    if kind == "max" and paddings[0] and not _is_positive(b, value):
        raise b.refuse(
            "it pads over time, where the maximum leaves out what is before the sequence; pool after a ReLU, or "
            "without padding"
        )
    value, age, after = placed(b, value, Windows(sizes[0], 1, strides[0], paddings[0], paddings[0]))
    over_time = {"frames": sizes[0], "frame_stride": strides[0], "age": age}
    frequencies = _frequencies(value)
    cell = Pool(value.width // frequencies, frequencies, sizes[1], strides[1], paddings[1], kind, **over_time)
    return after.of(b.add(cell, [value], stride=strides[0]))


def _is_positive(b: Builder, x: Value) -> bool:
    """Return whether no number of a value is below 0, so that zeros in a window do not change its maximum."""
    cell = next((layer.cell for layer in b.layers if layer.name == x.layer), None)
    return getattr(cell, "function", getattr(cell, "activation", "")) in {"relu", "sigmoid", "softmax", "exp", "abs"}


def _image(b: Builder, x: Flowing) -> Value:
    """Return a value of shape (1, channels, time, frequencies), or with the last two exchanged, or refuse it.

    In one dimension it is (1, channels, time), or (1, time, frequencies).
    """
    if isinstance(x, Value) and len(x.shape) == 3 and x.shape[0] == 1 and x.time in {1, 2}:
        return x
    if not isinstance(x, Value) or len(x.shape) != 4 or x.time not in {2, 3}:
        shape = getattr(x, "shape", ())
        raise b.refuse(
            f"its input has shape {shape} and no time on its last two axes; pass (1, channels, time, frequency)"
        )
    if x.shape[0] != 1:
        raise b.refuse(f"its input has shape {x.shape}; pass one sequence as the example, not a batch")
    return x


def _time_first(x: Value, pair: Pair, other: int = 1) -> tuple[int, int]:
    """Return a pair of numbers for the last two axes, that of time first; one number stands for both.

    In one dimension, `other` is the number of the axis that is not there, or that no window runs over.
    """
    if len(x.shape) == 3:
        (number,) = pair
        return (number, other) if x.time == 2 else (other, number)
    first, last = pair if len(pair) == 2 else (pair[0], pair[0])
    return (first, last) if x.time == 2 else (last, first)


def _frequencies(x: Value) -> int:
    if len(x.shape) == 3:
        return 1 if x.time == 2 else x.shape[2]
    return x.shape[3 if x.time == 2 else 2]


def _convolved(b: Builder, x: Value, w: torch.Tensor, bias: MaybeTensor, groups: int, settings: dict[str, int]) -> str:
    """Add the layers of a convolution; a group of several channels has a layer of its own."""
    taps = w if x.time == 2 else w.transpose(2, 3)
    outputs, channels, frames, over = taps.shape
    shape = {"frequencies": _frequencies(x), "frames": frames, "taps": over, **settings}
    stride = settings.get("frame_stride", 1)
    added = None if bias is None else weight(bias)
    if groups == 1:
        return b.add(Conv2d(w=weight(taps.flatten(1)), b=added, **shape), [x], stride=stride)
    if channels == 1:
        each = weight(taps.permute(1, 2, 3, 0).flatten())
        return b.add(DepthwiseConv2d(w=each, b=added, multiplier=outputs // groups, **shape), [x], stride=stride)
    parts = []
    for group in range(groups):
        inside = x.width // groups
        part = x.of(b.add(Slice(x.width, group * inside, (group + 1) * inside), [x]))
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        own = None if bias is None else weight(bias[rows])
        layer = b.add(Conv2d(w=weight(taps[rows].flatten(1)), b=own, **shape), [part], stride=stride)
        parts.append(replace(x, layer=layer, every=x.every * stride))
    return b.add(Concat(), parts)


FREQUENCY: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose1d": transposed_line,
    "conv_transpose2d": transposed,
    "max_pool2d": max_pool,
    "avg_pool2d": mean_pool,
    "max_pool1d": max_pool,
    "avg_pool1d": mean_pool,
}
"""ATen operation -> layers over frequency."""
