"""Layers with weights and without recurrence: linear, convolution, normalizations, embedding."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgernn.cells import Conv1d, Dense, Embedding, Scale
from edgernn.model.graph import INPUT
from edgernn_export.sources.torch.layers.builder import Builder, weight
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.pointwise import add, frame
from edgernn_export.sources.torch.operations.windows import Windows, placed, sides

MaybeTensor = torch.Tensor | None


def optional(tensor: MaybeTensor) -> Any:
    """Return a weight that may be missing."""
    return None if tensor is None else weight(tensor)


def linear(b: Builder, x: Flowing, w: Any, bias: MaybeTensor | Flowing = None) -> Value:
    """Convert nn.Linear on the last axis, whose bias may be a value."""
    if isinstance(bias, Flowing):
        return add(b, linear(b, x, w), bias)
    value = frame(b, x)
    return b.then(Dense(weight(w), optional(bias)), value, positions=_shared(b, value))


def conv1d(
    b: Builder,
    x: Flowing,
    w: Any,
    bias: MaybeTensor = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Value:
    """Convert nn.Conv1d over time, aligned with its newest input frame."""
    if not isinstance(x, Value) or x.time != len(x.shape) - 1:
        raise b.refuse("it does not run over time; put time on the last axis, as nn.Conv1d expects it")
    if x.width != x.shape[-2]:
        raise b.refuse(f"its input has shape {x.shape}; pass one sequence as the example, not a batch")
    kernel, full = w.shape[2], _ungrouped(w, groups)
    left, right = sides(padding if isinstance(padding, str) else padding[0], (kernel - 1) * dilation[0])
    x, age, after = placed(b, x, Windows(kernel, dilation[0], stride[0], left, right))
    if kernel == stride[0] == 1:
        return after.of(b.add(Dense(weight(full[:, :, 0]), optional(bias)), [x]))
    taps = weight(full.permute(0, 2, 1).reshape(len(full), -1))
    conv = Conv1d(kernel, taps, optional(bias), dilation[0], stride[0], age)
    return after.of(b.add(conv, [x], stride=stride[0]))


def batch_norm(
    b: Builder,
    x: Flowing,
    gain: MaybeTensor,
    bias: MaybeTensor,
    mean: MaybeTensor,
    variance: MaybeTensor,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> Value:
    """Convert nn.BatchNorm1d and nn.BatchNorm2d in eval mode: two constants per channel."""
    del momentum, cudnn
    value = frame(b, x)
    if training or mean is None or variance is None:
        raise b.refuse(
            "it normalizes with the statistics of the batch; call module.eval() and keep track_running_stats=True"
        )
    if value.time == 1:
        raise b.refuse("its channels are not the features of a frame; put them on axis 1, as nn.BatchNorm1d expects")
    by = torch.rsqrt(variance + eps) * (1.0 if gain is None else gain)
    plus = (0.0 if bias is None else bias) - mean * by
    return b.then(Scale(*(weight(_of_frame(value, each)) for each in (by, plus))), value)


def _of_frame(x: Value, channels: torch.Tensor) -> torch.Tensor:
    """Return a number for each channel as one for each element of a frame; channels are on axis 1."""
    shape = [1 if i == x.time else length for i, length in enumerate(x.shape)]
    return channels.reshape(-1, *[1] * (len(shape) - 2)).expand(shape).flatten()


def embedding(b: Builder, table: torch.Tensor, x: Flowing, *options: Any) -> Value:
    """Convert nn.Embedding on the symbols of the input."""
    del options
    value = frame(b, x)
    if value.width != 1:
        raise b.refuse(f"a frame has {value.width} symbols; expected one")
    if value.layer != INPUT:
        raise b.refuse(
            "its symbols stand beside other inputs, and all inputs of a model have one number type; take the embedding "
            "outside, and give its row as an input of numbers"
        )
    return b.then(Embedding(weight(table)), value)


def _shared(b: Builder, x: Value) -> int:
    """Return how many parts of a frame share an operation on the last axis."""
    if x.time == len(x.shape) - 1 or (x.shape[-1] != x.width and b.batch):
        raise b.refuse(
            f"its last axis is time, or its input a batch (shape {x.shape}, time on axis {x.time}); transpose so that "
            "the features are last, and pass one sequence as the example"
        )
    return x.width // x.shape[-1]


def _ungrouped(w: torch.Tensor, groups: int) -> torch.Tensor:
    """Return the weight of a grouped convolution as a full one, with zeros between groups."""
    if groups == 1:
        return w
    outputs, inputs, kernel = w.shape
    full = w.new_zeros(outputs, inputs * groups, kernel)
    for group in range(groups):
        rows = slice(group * outputs // groups, (group + 1) * outputs // groups)
        full[rows, group * inputs : (group + 1) * inputs] = w[rows]
    return full


WEIGHTED: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "conv1d": conv1d,
    "batch_norm": batch_norm,
    "embedding": embedding,
}
"""ATen operation -> a layer with weights."""
