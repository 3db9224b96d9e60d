"""Norms and extremes over the features of a frame: RMS norm, L1 and L2 norms, standard deviation, the largest value."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import numpy as np
import torch

from edgernn.cells import Activation, Dense, Maximum, Product, Slice
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.builder import Builder, op_of
from edgernn_export.sources.torch.pointwise import frame, scaled, widened
from edgernn_export.sources.torch.sums import reduced, summed, variance, whole
from edgernn_export.sources.torch.value import Flowing, Value


def rms_norm(b: Builder, x: Flowing, shape: Sequence[int], gain: Any = None, eps: float | None = None) -> Value:
    """Convert nn.RMSNorm over the features: x / sqrt(mean(x^2) + eps) * gain."""
    value = frame(b, x)
    if tuple(shape) != (value.width,) or value.shape[-1] != value.width or value.time == len(value.shape) - 1:
        raise b.refuse(f"it normalizes {tuple(shape)} of frames of {value.width} values; normalize the features alone")
    eps = torch.finfo(torch.float64).eps if eps is None else eps
    one = value.at(tuple(n if i == value.time else 1 for i, n in enumerate(value.shape)), value.time)
    square = b.then(Product(), value, value, shape=value.shape)
    mean = one.of(b.add(Dense(Tensor(np.full((1, value.width), 1 / value.width)), Tensor(np.array([eps]))), [square]))
    factor = one.of(b.add(Activation("reciprocal"), [one.of(b.add(Activation("sqrt"), [mean]))]))
    y = b.then(Product(), value, widened(b, factor, value.width), shape=value.shape)
    return y if gain is None else scaled(b, y, gain)


def vector_norm(b: Builder, x: Flowing, order: Any = 2, axes: Any = None, *_: Any, **__: Any) -> Value:
    """Convert the norm of order 1, 2 or infinity over all features of a frame."""
    order = 2 if order is None else float(order)
    value = whole(b, x, axes)
    if order == inf:
        return _largest(b, b.then(Activation("abs"), value, shape=value.shape))
    if order == 1:
        return summed(b, b.then(Activation("abs"), value, shape=value.shape), 1.0)
    if order != 2:
        raise b.refuse(f"its order is {order:g}; expected 1, 2 or infinity")
    total = summed(b, b.then(Product(), value, value, shape=value.shape), 1.0)
    return b.then(Activation("sqrt"), total, shape=total.shape)


def deviation(b: Builder, x: Flowing, *_: Any, **__: Any) -> Value:
    """Convert std over all features of a frame."""
    value = variance(b, x)
    return b.then(Activation("sqrt"), value, shape=value.shape)


def largest(b: Builder, x: Flowing, axes: Any = None, *_: Any, **__: Any) -> Any:
    """Convert max, min, amax and amin over all features of a frame; the position of the largest has no operation."""
    value, op = whole(b, x, axes), op_of(b.node)
    pair = isinstance(b.node.meta["val"], tuple | list)
    if pair and any(user.args[1] == 1 and user.users for user in b.node.users):
        raise b.refuse("no operation finds the position of the largest value; do so after the step")
    sign = -1.0 if "min" in op else 1.0
    y = _largest(b, value if sign > 0 else scaled(b, value, sign))
    y = y if sign > 0 else scaled(b, y, sign)
    return (y, None) if pair else y


def _largest(b: Builder, x: Value) -> Value:
    """Halve a frame until one value is left; the halves of an odd number overlap."""
    layer, width = x.layer, x.width
    while width > 1:
        half = (width + 1) // 2
        ends = [Slice(width, start, start + half) for start in (0, width - half)]
        sides = [x.of(b.add(end, [x.of(layer)])) for end in ends]
        layer, width = b.add(Maximum(), sides), half
    meta = b.node.meta["val"]
    shape = tuple((meta[0] if isinstance(meta, tuple | list) else meta).shape)
    return reduced(x, shape).of(layer)


def repeat(b: Builder, x: Flowing, *_: Any, **__: Any) -> Value:
    """Convert expand of one value to all features of a frame."""
    value = frame(b, x)
    time = None if value.time is None else value.time + len(b.shape) - len(value.shape)
    length = 1 if time is None else b.shape[time]
    width = int(np.prod(b.shape)) // length
    if length != value.length or value.width not in {1, width}:
        raise b.refuse()
    return widened(b, value, width).at(b.shape, time)


NORMS: dict[str, Callable[..., Any]] = {
    "rms_norm": rms_norm,
    "linalg_vector_norm": vector_norm,
    "norm": vector_norm,
    "std": deviation,
    **dict.fromkeys(("max", "min", "amax", "amin"), largest),
    **dict.fromkeys(("expand", "expand_as"), repeat),
}
"""ATen operation -> its handler, over the features of a frame."""
