"""Layers with weights and without recurrence: linear, convolution, normalizations, embedding."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from edgernn.cells import Conv1d, Dense, Embedding, LayerNorm, Scale
from edgernn_export.sources.torch.builder import Builder, weight
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.value import Flowing, Value

Given = torch.Tensor | None


def optional(tensor: Given) -> Any:
    """A weight that may be missing."""
    return None if tensor is None else weight(tensor)


def linear(b: Builder, x: Flowing, w: Any, bias: Given = None) -> Value:
    """nn.Linear on the last axis."""
    value = frame(b, x)
    _check_last(b, value)
    return b.then(Dense(weight(w), optional(bias)), value)


def conv1d(
    b: Builder,
    x: Flowing,
    w: Any,
    bias: Given = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] | str = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Value:
    """nn.Conv1d over time: aligned with the newest frame that it reads."""
    if not isinstance(x, Value) or x.time != len(x.shape) - 1:
        raise b.refuse("it does not run over time; put time on the last axis, as nn.Conv1d takes it")
    if x.width != x.shape[-2]:
        raise b.refuse(f"sequences of shape {x.shape} arrive; give one sequence as the example, not a batch")
    if stride[0] != 1:
        raise b.refuse(f"a stride of {stride[0]} makes fewer frames than arrive; use stride 1")
    kernel, reach = w.shape[2], (w.shape[2] - 1) * dilation[0]
    left = {"same": reach // 2, "valid": 0}[padding] if isinstance(padding, str) else padding[0]
    full = _ungrouped(w, groups)
    if kernel == 1:
        layer = b.add(Dense(weight(full[:, :, 0]), optional(bias)), [x])
    else:
        taps = weight(full.permute(0, 2, 1).reshape(len(full), -1))
        layer = b.add(Conv1d(kernel, taps, optional(bias), dilation[0]), [x])
    return Value(layer, b.shape, x.time, x.lead + left - reach)


def layer_norm(
    b: Builder,
    x: Flowing,
    shape: Sequence[int],
    gain: Given = None,
    bias: Given = None,
    eps: float = 1e-5,
    cudnn: bool = False,
) -> Value:
    """nn.LayerNorm over the features."""
    del cudnn
    value = frame(b, x)
    _check_last(b, value)
    if tuple(shape) != (value.width,):
        raise b.refuse(f"it normalizes {tuple(shape)} of frames of {value.width} values; normalize the features alone")
    return b.then(LayerNorm(optional(gain), optional(bias), eps), value)


def batch_norm(
    b: Builder,
    x: Flowing,
    gain: Given,
    bias: Given,
    mean: Given,
    variance: Given,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> Value:
    """nn.BatchNorm1d in use: two constants per channel."""
    del momentum, cudnn
    value = frame(b, x)
    if training or mean is None or variance is None:
        raise b.refuse(
            "it normalizes with the statistics of the batch; call module.eval() and keep track_running_stats"
        )
    if value.time == 1 or value.shape[1] != value.width:
        raise b.refuse("its channels are not the features of a frame; put them on axis 1, as nn.BatchNorm1d takes them")
    by = torch.rsqrt(variance + eps) * (1.0 if gain is None else gain)
    plus = (0.0 if bias is None else bias) - mean * by
    return b.then(Scale(weight(by), weight(plus)), value)


def embedding(b: Builder, table: torch.Tensor, x: Flowing, *options: Any) -> Value:
    """nn.Embedding on the symbols of the input."""
    del options
    value = frame(b, x)
    if value.width != 1:
        raise b.refuse(f"{value.width} symbols arrive per frame; expected one")
    return b.then(Embedding(weight(table)), value)


def _check_last(b: Builder, x: Value) -> None:
    if x.time == len(x.shape) - 1 or x.shape[-1] != x.width:
        raise b.refuse(
            f"its last axis is time, or not the whole frame (shape {x.shape}, time on axis {x.time}); "
            "transpose so that the features are last"
        )


def _ungrouped(w: torch.Tensor, groups: int) -> torch.Tensor:
    """The weight of a grouped convolution with zeros where groups do not meet."""
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
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "embedding": embedding,
}
"""ATen operation -> a layer with weights."""
