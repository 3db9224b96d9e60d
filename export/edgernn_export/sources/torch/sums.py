"""Sums over all features of a frame: mean, sum and variance."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgernn.cells import Dense, Product, Sum
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.builder import Builder, op_of
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.value import Flowing, Value


def average(b: Builder, x: Flowing, axes: Any = None, *_: Any, **__: Any) -> Value:
    """Convert mean or sum over all features of a frame: one row of equal weights."""
    value = whole(b, x, axes)
    return summed(b, value, 1 / value.width if op_of(b.node) == "mean" else 1.0)


def variance(b: Builder, x: Flowing, *_: Any, **__: Any) -> Value:
    """Convert var over all features of a frame: sum((x - mean)^2) / (n - correction), correction 1 by default."""
    value = whole(b, x, b.arguments.get("dim"))
    correction = b.arguments.get("correction")
    less = float(b.arguments.get("unbiased", True) if correction is None else correction)
    if value.width <= less:
        raise b.refuse(f"the variance of {value.width} value with a correction of {less:g} is undefined")
    mean = b.add(Dense(Tensor(np.full((1, value.width), -1 / value.width))), [value])
    below = b.then(Dense(Tensor(np.ones((value.width, 1)))), value.of(mean), shape=value.shape)
    centred = b.then(Sum(), value, below, shape=value.shape)
    return summed(b, b.then(Product(), centred, centred, shape=value.shape), 1 / (value.width - less))


def whole(b: Builder, x: Flowing, axes: Any) -> Value:
    """Return the input of an operation over all features of a frame, or refuse it."""
    value = frame(b, x)
    over = {axis % len(value.shape) for axis in ([axes] if isinstance(axes, int) else axes or range(len(value.shape)))}
    if value.time in over:
        raise b.refuse()
    if any(length > 1 and i not in over for i, length in enumerate(value.shape) if i != value.time):
        raise b.refuse("it runs over some of the features only; reshape so that it runs over all of them")
    return value


def summed(b: Builder, value: Value, share: float) -> Value:
    """Add one row of equal weights over a frame; its result has the shape of the operation's."""
    layer = b.add(Dense(Tensor(np.full((1, value.width), share))), [value])
    return reduced(value, b.shape).of(layer)


def reduced(value: Value, shape: tuple[int, ...]) -> Value:
    """Return one value per step, in this shape."""
    time = None if value.time is None else [i for i, n in enumerate(shape) if n == value.length][-1]
    return value.at(shape, time)


SUMS: dict[str, Callable[..., Any]] = {"mean": average, "sum": average, "var": variance}
"""ATen operation -> its handler, over the features of a frame."""
