"""Convolutions over time and frequency, and pooling over frequency; a frame is (channels, frequencies)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgernn.cells import Concat, Conv2d, DepthwiseConv2d, Pool, Slice
from edgernn_export.sources.torch.builder import Builder, weight
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.value import Flowing, Value

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
    if isinstance(padding, str):
        (left, _), (below, above) = [(each // 2, each - each // 2) if padding == "same" else (0, 0) for each in reach]
    else:
        left, below = _time_first(value, padding)
        above = below
    if strides[0] != 1:
        raise b.refuse(f"a stride of {strides[0]} over time drops frames of the stream; use stride 1 over time")
    settings = {"stride": strides[1], "below": below, "above": above, "dilation": dilations[1]}
    layer = _convolved(b, value, w, bias, groups, {**settings, "frame_dilation": dilations[0]})
    return Value(layer, b.shape, value.time, value.lead + left - reach[0])


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
    settings = {"spread": strides[1], "below": below, "above": below + mores[1], "dilation": dilations[1]}
    layer = _convolved(b, value, turned, bias, groups, {**settings, "frame_dilation": dilations[0]})
    return Value(layer, b.shape, value.time, value.lead - paddings[0])


def max_pool(
    b: Builder,
    x: Flowing,
    size: Pair,
    stride: Pair = (),
    padding: Pair = (0,),
    dilation: Pair = (1,),
    ceil: bool = False,
) -> Value:
    """Convert max_pool2d over frequency."""
    if ceil or set(dilation) != {1}:
        raise b.refuse("it has a dilation or ceil_mode; only pooling without them is supported")
    return _pooled(b, x, "max", size, stride or size, padding)


def mean_pool(
    b: Builder, x: Flowing, size: Pair, stride: Pair = (), padding: Pair = (0,), ceil: bool = False,
    pads: bool = True, divisor: int | None = None,
) -> Value:  # fmt: skip
    """Convert avg_pool2d over frequency."""
    if ceil or divisor is not None or (any(padding) and not pads):
        raise b.refuse("it has ceil_mode, a divisor or count_include_pad=False; only pooling without them is supported")
    return _pooled(b, x, "mean", size, stride or size, padding)


def _pooled(b: Builder, x: Flowing, kind: str, size: Pair, stride: Pair, padding: Pair) -> Value:
    value = _image(b, frame(b, x))
    sizes, strides, paddings = (_time_first(value, pair) for pair in (size, stride, padding))
    if sizes[0] != 1 or strides[0] != 1 or paddings[0]:
        raise b.refuse("it pools over time; pool over frequency alone")
    return b.then(
        Pool(value.width // _frequencies(value), _frequencies(value), sizes[1], strides[1], paddings[1], kind), value
    )


def _image(b: Builder, x: Flowing) -> Value:
    """Return a value of shape (1, channels, time, frequencies), or with the last two exchanged, or refuse it."""
    if not isinstance(x, Value) or len(x.shape) != 4 or x.time not in {2, 3}:
        shape = getattr(x, "shape", ())
        raise b.refuse(
            f"its input has shape {shape} and no time on its last two axes; pass (1, channels, time, frequency)"
        )
    if x.shape[0] != 1:
        raise b.refuse(f"its input has shape {x.shape}; pass one sequence as the example, not a batch")
    return x


def _time_first(x: Value, pair: Pair) -> tuple[int, int]:
    """Return a pair of numbers for the last two axes, that of time first; one number stands for both."""
    first, last = pair if len(pair) == 2 else (pair[0], pair[0])
    return (first, last) if x.time == 2 else (last, first)


def _frequencies(x: Value) -> int:
    return x.shape[3 if x.time == 2 else 2]


def _convolved(b: Builder, x: Value, w: torch.Tensor, bias: MaybeTensor, groups: int, settings: dict[str, int]) -> str:
    """Add the layers of a convolution; a group of several channels has a layer of its own."""
    taps = w if x.time == 2 else w.transpose(2, 3)
    outputs, channels, frames, over = taps.shape
    shape = {"frequencies": _frequencies(x), "frames": frames, "taps": over, **settings}
    added = None if bias is None else weight(bias)
    if groups == 1:
        return b.add(Conv2d(w=weight(taps.flatten(1)), b=added, **shape), [x])
    if channels == 1:
        each = weight(taps.permute(1, 2, 3, 0).flatten())
        return b.add(DepthwiseConv2d(w=each, b=added, multiplier=outputs // groups, **shape), [x])
    parts = []
    for group in range(groups):
        inside = x.width // groups
        part = x.of(b.add(Slice(x.width, group * inside, (group + 1) * inside), [x]))
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        own = None if bias is None else weight(bias[rows])
        parts.append(x.of(b.add(Conv2d(w=weight(taps[rows].flatten(1)), b=own, **shape), [part])))
    return b.add(Concat(), parts)


FREQUENCY: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv_transpose2d": transposed,
    "max_pool2d": max_pool,
    "avg_pool2d": mean_pool,
}
"""ATen operation -> layers over frequency."""
