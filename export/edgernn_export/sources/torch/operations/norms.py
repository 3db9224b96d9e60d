"""Normalizations within a frame: norms of a vector, RMS, layer, group and instance norms, and softmax."""

from collections.abc import Callable, Sequence
from math import inf, prod
from typing import Any

import torch

from edgernn.cells import Activation, LayerNorm, Product
from edgernn_export.sources.torch.layers.builder import Builder, op_of, weight
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.broadcast import frame_shape, gathered, joined, scaled
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.sums import check_one_sequence, over, reduced, result

MaybeTensor = torch.Tensor | None


def layer_norm(
    b: Builder, x: Flowing, shape: Sequence[int], gain: MaybeTensor = None, bias: MaybeTensor = None, eps: float = 1e-5,
    cudnn: bool = False,
) -> Value:  # fmt: skip
    """Convert nn.LayerNorm over the last axes of a frame; the parts of a frame before them share it."""
    del cudnn
    value = _last_axes(b, x, shape)
    own, plus = (None if each is None else weight(each.flatten()) for each in (gain, bias))
    return b.then(LayerNorm(own, plus, eps), value, shape=value.shape, positions=value.width // prod(shape))


def rms_norm(b: Builder, x: Flowing, shape: Sequence[int], gain: MaybeTensor = None, eps: float | None = None) -> Value:
    """Convert nn.RMSNorm over the last axes of a frame: x / sqrt(mean(x^2) + eps) * gain."""
    value = _last_axes(b, x, shape)
    axes = range(len(value.shape) - len(shape), len(value.shape))
    square = b.then(Product(), value, value, shape=value.shape)
    mean = scaled(b, reduced(b, square, axes, "mean"), 1.0, torch.finfo(torch.float64).eps if eps is None else eps)
    factor = mean
    for function in ("sqrt", "reciprocal"):
        factor = b.then(Activation(function), factor, shape=mean.shape)
    y = joined(b, Product(), value, factor)
    return y if gain is None else scaled(b, y, gain)


def _last_axes(b: Builder, x: Flowing, shape: Sequence[int]) -> Value:
    """Return the input of a normalization over its last axes, or refuse it."""
    value = frame(b, x)
    first = len(value.shape) - len(shape)
    if value.time is not None and value.time >= first:
        raise b.refuse(
            f"it normalizes the last {len(shape)} axes of shape {value.shape}, of which axis {value.time} is time: "
            "statistics over time need the whole sequence; transpose so that features are last"
        )
    check_one_sequence(b, value)
    return value


def group_norm(
    b: Builder, x: Flowing, groups: int, gain: MaybeTensor = None, bias: MaybeTensor = None, eps: float = 1e-5,
    cudnn: bool = False,
) -> Value:  # fmt: skip
    """Convert nn.GroupNorm within a frame: time is the axis of the batch."""
    del cudnn
    value = frame(b, x)
    if value.time not in {None, 0}:
        raise b.refuse()
    return _grouped(b, value, groups, gain, bias, eps)


def instance_norm(
    b: Builder, x: Flowing, gain: MaybeTensor, bias: MaybeTensor, mean: MaybeTensor, variance: MaybeTensor,
    own: bool, momentum: float, eps: float, cudnn: bool = False,
) -> Value:  # fmt: skip
    """Convert nn.InstanceNorm within a frame, or with the statistics of training, which are constants."""
    del momentum, cudnn
    value = frame(b, x)
    if not own and mean is not None and variance is not None:
        if value.time == 1:
            raise b.refuse("its channels are on axis 1, which is time; transpose so that features are there")
        by = torch.rsqrt(variance + eps) * (1.0 if gain is None else gain)
        return _per_channel(b, value, by, (0.0 if bias is None else bias) - mean * by)
    if value.time not in {None, 0}:
        raise b.refuse()
    return _grouped(b, value, value.shape[1], gain, bias, eps)


def _grouped(b: Builder, x: Value, groups: int, gain: MaybeTensor, bias: MaybeTensor, eps: float) -> Value:
    """Normalize equal groups of the channels of a frame, each by its own statistics."""
    y = b.then(LayerNorm(eps=eps), x, shape=x.shape, positions=groups)
    if gain is None and bias is None:
        return y
    return _per_channel(b, y, 1.0 if gain is None else gain, 0.0 if bias is None else bias)


def _per_channel(b: Builder, x: Value, by: Any, plus: Any) -> Value:
    """Add a Scale with a number for each channel; channels are on axis 1."""
    ones = [1] * (len(x.shape) - 2)
    by, plus = (each.reshape(-1, *ones) if isinstance(each, torch.Tensor) else each for each in (by, plus))
    return scaled(b, x, by, plus)


def vector_norm(b: Builder, x: Flowing, order: Any = 2, axes: Any = None, *_: Any, **__: Any) -> Value:
    """Convert the norm of order 1, 2 or infinity over axes of a frame."""
    order = 2 if order is None else float(order)
    value, among = over(b, x, axes)
    if order not in {1, 2, inf}:
        raise b.refuse(f"its order is {order:g}; expected 1, 2 or infinity")
    if order == 2:
        total = reduced(b, b.then(Product(), value, value, shape=value.shape), among, "sum")
        y = b.then(Activation("sqrt"), total, shape=total.shape)
    else:
        y = reduced(b, b.then(Activation("abs"), value, shape=value.shape), among, "sum" if order == 1 else "max")
    return result(b, y, among)


def softmax(b: Builder, x: Flowing, axis: int, dtype: Any = None) -> Value:
    """Convert softmax over an axis of a frame; log_softmax is its logarithm."""
    del dtype
    y = softmax_of(b, frame(b, x), axis)
    return b.then(Activation("log"), y) if "log" in op_of(b.node) else y


def softmax_of(b: Builder, x: Value, axis: int) -> Value:
    """Add softmax over an axis of a frame, which is the last one where it runs."""
    axis %= len(x.shape)
    if axis == x.time:
        raise b.refuse(
            "it runs over time and not over the features: attention over the whole sequence needs frames that have "
            "not arrived; use a recurrent layer"
        )
    check_one_sequence(b, x)
    lengths = frame_shape(x)
    size, inner = lengths[axis], prod(lengths[axis + 1 :])
    order = torch.arange(x.width).reshape(-1, size, inner).mT.flatten()
    y = x if inner == 1 else gathered(b, x, order, x.shape)
    y = b.then(Activation("softmax"), y, shape=x.shape, positions=x.width // size)
    return y if inner == 1 else gathered(b, y, order.argsort(), x.shape)


NORMS: dict[str, Callable[..., Any]] = {
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "linalg_vector_norm": vector_norm,
    "norm": vector_norm,
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), softmax),
}
"""ATen operation -> its handler, within a frame."""
