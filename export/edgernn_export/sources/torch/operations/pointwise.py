"""Operations within one frame: activations, arithmetic, and joins of branches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from edgernn.cells import Activation, Concat, Product, Sum
from edgernn_export.sources.torch.layers.builder import Builder, NeedsDelayError, op_of
from edgernn_export.sources.torch.layers.value import Carried, Counted, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.operations.broadcast import joined, scaled
from edgernn_export.sources.torch.operations.counted import GROWS

Operand = Flowing | torch.Tensor | float


def frame(b: Builder, x: Any) -> Value:
    """Return a value that a layer can take as its input, or refuse it."""
    if isinstance(x, Stack) and len(x.values) == 1:
        return x.values[0].at(x.shape, x.time)
    if isinstance(x, Stack):
        return replace(x.values[0], layer=b.add(Concat(), x.values), shape=x.shape, time=x.time)
    if isinstance(x, Incoming):
        raise NeedsDelayError(x.position)
    if isinstance(x, Carried):
        raise NeedsDelayError(b.operations[x.layers[0]])
    if isinstance(x, Counted):
        raise b.refuse(GROWS)
    if not isinstance(x, Value):
        raise b.refuse(f"a {type(x).__name__} arrives where a value of the stream is expected")
    if x.lead > 0:
        raise b.refuse("its input is a padded sequence; pad directly before the convolution")
    return x


def activation(b: Builder, x: Flowing) -> Value:
    """Convert relu, tanh, sigmoid and log."""
    return b.then(Activation(op_of(b.node)), frame(b, x))


def silu(b: Builder, x: Flowing) -> Value:
    """Convert silu: x * sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, b.then(Activation("sigmoid"), value))


def leaky_relu(b: Builder, x: Flowing, slope: float = 0.01) -> Value:
    """Convert leaky_relu: relu(x) - slope * relu(-x)."""
    value = frame(b, x)
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -float(slope)))


def clamp(b: Builder, x: Flowing, low: float | None = None, high: float | None = None) -> Value:
    """Convert clamp, hardtanh and relu6: min(max(x, low), high), written with relu."""
    value = frame(b, x)
    if low is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, 1.0, -low), shape=value.shape), 1.0, low)
    if high is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, -1.0, high), shape=value.shape), -1.0, high)
    return value


def hard_sigmoid(b: Builder, x: Flowing) -> Value:
    """Convert hardsigmoid as torch defines it: clamp(x / 6 + 1 / 2, 0, 1)."""
    return clamp(b, scaled(b, frame(b, x), 1 / 6, 0.5), 0.0, 1.0)


def hard_swish(b: Builder, x: Flowing) -> Value:
    """Convert hardswish: x * hard_sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, hard_sigmoid(b, value))


def random_leaky_relu(
    b: Builder, x: Flowing, low: float = 1 / 8, high: float = 1 / 3, training: bool = False, *_: Any
) -> Value:
    """Convert rrelu in eval mode: leaky_relu with the slope in the middle."""
    if training:
        raise b.refuse()
    return leaky_relu(b, x, (low + high) / 2)


def prelu(b: Builder, x: Flowing, slope: torch.Tensor) -> Value:
    """Convert prelu: relu(x) - slope * relu(-x), with one slope, or one for each feature."""
    value = frame(b, x)
    if slope.numel() > 1 and value.time == 1:
        raise b.refuse("its slopes belong to axis 1, which is time; put the features on axis 1")
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    each = slope if slope.numel() == 1 else slope.reshape(-1, *[1] * (len(value.shape) - 2))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -each))


def add(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """Convert x + alpha * y."""
    if not isinstance(y, Flowing):
        return scaled(b, frame(b, x), 1.0, _times(y, alpha))
    if not isinstance(x, Flowing):
        return scaled(b, frame(b, y), alpha, x)
    other = frame(b, y)
    return joined(b, Sum(), frame(b, x), other if alpha == 1 else scaled(b, other, alpha))


def subtract(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """Convert x - alpha * y."""
    return add(b, x, y, -alpha)


def subtract_from(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """Convert y - alpha * x."""
    return add(b, y, x, -alpha)


def multiply(b: Builder, x: Operand, y: Operand) -> Value:
    """Convert x * y."""
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        return joined(b, Product(), frame(b, x), frame(b, y))
    return scaled(b, frame(b, x), y) if isinstance(x, Flowing) else scaled(b, frame(b, y), x)


def negate(b: Builder, x: Flowing) -> Value:
    """Convert -x."""
    return scaled(b, frame(b, x), -1.0)


def concat(b: Builder, xs: Sequence[Any], axis: int = 0) -> Value:
    """Convert cat over time: zeros before the sequence, which are padding."""
    values = [x for x in xs if isinstance(x, Flowing)]
    first = values[0]
    if isinstance(first, Value) and axis == first.time and len(values) == 1:
        return _padded(b, xs, first, axis)
    for x in values:
        frame(b, x)  # a state is a value of its own, when one frame is traced
    raise b.refuse("it joins steps; only features can be joined")


def _padded(b: Builder, xs: Sequence[Any], x: Value, axis: int) -> Value:
    left = 0
    for part in xs[: xs.index(x)]:
        if torch.count_nonzero(part):
            raise b.refuse(
                "it puts values other than zeros before the sequence; learn the layer's initial state instead"
            )
        left += part.shape[axis]
    return x.at(b.shape, x.time, x.lead + left)


def _times(constant: Any, alpha: float) -> Any:
    return constant if alpha == 1 else constant * alpha


POINTWISE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("relu", "tanh", "sigmoid", "log"), activation),
    "silu": silu,
    "hardtanh": lambda b, x, low=-1.0, high=1.0: clamp(b, x, low, high),
    "relu6": lambda b, x: clamp(b, x, 0.0, 6.0),
    "hardsigmoid": hard_sigmoid,
    "hardswish": hard_swish,
    "prelu": prelu,
    "leaky_relu": leaky_relu,
    "rrelu": random_leaky_relu,
    "add": add,
    "sub": subtract,
    "rsub": subtract_from,
    "mul": multiply,
    "neg": negate,
}
"""ATen operation -> its handler, within one frame."""
