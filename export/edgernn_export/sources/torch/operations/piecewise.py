"""Piecewise functions and blends: bounds, thresholds, shrinkage, signs, and sums of products."""

from collections.abc import Callable
from typing import Any

import torch

from edgernn.cells import Activation, Product, Sum
from edgernn_export.sources.torch.layers.builder import Builder
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.arithmetic import Operand, divide, maximum, minimum
from edgernn_export.sources.torch.operations.broadcast import scaled
from edgernn_export.sources.torch.operations.pointwise import add, clamp, frame, multiply, subtract


def bounded(b: Builder, x: Flowing, low: Any = None, high: Any = None) -> Value:
    """Convert clamp by numbers, constants or values."""
    low, high = (float(each) if isinstance(each, torch.Tensor) and each.numel() == 1 else each for each in (low, high))
    if not any(isinstance(each, torch.Tensor | Flowing) for each in (low, high)):
        return clamp(b, x, low, high)
    y = x if low is None else maximum(b, x, low)
    return frame(b, y if high is None else minimum(b, y, high))


def threshold(b: Builder, x: Flowing, bound: float, other: float) -> Value:
    """Convert F.threshold: x above a bound, and another number elsewhere."""
    value = frame(b, x)
    passed = _above(b, value, bound)
    return add(b, b.then(Product(), passed, value), scaled(b, passed, -other, other))


def soft_shrink(b: Builder, x: Flowing, by: float = 0.5) -> Value:
    """Convert softshrink: x - min(max(x, -by), by)."""
    value = frame(b, x)
    return b.then(Sum(), value, scaled(b, clamp(b, value, -by, by), -1.0))


def hard_shrink(b: Builder, x: Flowing, by: float = 0.5) -> Value:
    """Convert hardshrink: x where |x| is above a bound, and 0 elsewhere."""
    value = frame(b, x)
    return b.then(Product(), value, _above(b, b.then(Activation("abs"), value), by))


def sign(b: Builder, x: Flowing) -> Value:
    """Convert sign: 1 above 0, -1 below."""
    value = frame(b, x)
    return b.then(Sum(), _above(b, value, 0.0), scaled(b, _above(b, scaled(b, value, -1.0), 0.0), -1.0))


def blend(b: Builder, x: Operand, y: Operand, share: Operand) -> Value:
    """Convert lerp: x + share * (y - x)."""
    apart: Any = subtract(b, y, x) if isinstance(x, Flowing) or isinstance(y, Flowing) else torch.as_tensor(y) - x
    return add(b, x, multiply(b, apart, share))


def plus_product(b: Builder, x: Operand, y: Operand, z: Operand, value: float = 1) -> Value:
    """Convert addcmul: x + value * y * z."""
    product = multiply(b, y, z) if isinstance(y, Flowing) or isinstance(z, Flowing) else torch.as_tensor(y) * z
    return add(b, x, product, value)


def plus_quotient(b: Builder, x: Operand, y: Operand, z: Operand, value: float = 1) -> Value:
    """Convert addcdiv: x + value * y / z."""
    quotient = divide(b, y, z) if isinstance(y, Flowing) or isinstance(z, Flowing) else torch.as_tensor(y) / z
    return add(b, x, quotient, value)


def _above(b: Builder, x: Value, bound: float) -> Value:
    """Return 1 where a value is above a bound, and 0 elsewhere."""
    return b.then(Activation("above"), scaled(b, x, 1.0, -bound) if bound else x, shape=x.shape)


PIECEWISE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("clamp", "clip"), bounded),
    "clamp_min": bounded,
    "clamp_max": lambda b, x, high: bounded(b, x, None, high),
    "threshold": threshold,
    "softshrink": soft_shrink,
    "hardshrink": hard_shrink,
    **dict.fromkeys(("sign", "sgn"), sign),
    "lerp": blend,
    "addcmul": plus_product,
    "addcdiv": plus_quotient,
}
"""ATen operation -> its handler."""
