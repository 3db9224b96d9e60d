"""Operations within one frame: activations, arithmetic, and joins of branches."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from edgernn.cells import Activation, Concat, Dense, Product, Scale, Slice, Sum
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.builder import Builder, op_of, weight
from edgernn_export.sources.torch.value import Flowing, Incoming, Stack, Value

Operand = Flowing | torch.Tensor | float


def frame(b: Builder, x: Any) -> Value:
    """A value that may enter a layer."""
    if isinstance(x, Stack) and len(x.values) == 1:
        return x.values[0].at(x.shape, None)
    if isinstance(x, Incoming):
        raise b.refuse(
            f"argument {x.position + 2} of the module is read as data; give one input sequence with all features "
            "side by side, and beside it only states"
        )
    if not isinstance(x, Value):
        raise b.refuse(
            "it reads a carried state that is not also an output of its layer: an LSTM's cell state; use the hidden one"
        )
    if x.lead > 0:
        raise b.refuse("it inputs a padded sequence; pad directly before the convolution")
    return x


def activation(b: Builder, x: Flowing) -> Value:
    """relu, tanh, sigmoid and log, by their own names."""
    return b.then(Activation(op_of(b.node)), frame(b, x))


def softmax(b: Builder, x: Flowing, axis: int, dtype: Any = None) -> Value:
    """softmax over the features; log_softmax is its logarithm."""
    del dtype
    value = frame(b, x)
    if value.shape[axis] != value.width or axis % len(value.shape) == value.time:
        raise b.refuse("it runs over another axis than the features; attention over time cannot stream")
    share = b.then(Activation("softmax"), value)
    return b.then(Activation("log"), share) if op_of(b.node) == "log_softmax" else share


def silu(b: Builder, x: Flowing) -> Value:
    """x * sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, b.then(Activation("sigmoid"), value))


def leaky_relu(b: Builder, x: Flowing, slope: float = 0.01) -> Value:
    """relu(x) - slope * relu(-x)."""
    value = frame(b, x)
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -float(slope)))


def clamp(b: Builder, x: Flowing, low: Any = None, high: Any = None) -> Value:
    """min(max(x, low), high) by relu: clamp, hardtanh, relu6."""
    value = frame(b, x)
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        raise b.refuse("its bounds must be numbers")
    if low is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, 1.0, -low)), 1.0, low)
    if high is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, -1.0, high)), -1.0, high)
    return value


def hard_sigmoid(b: Builder, x: Flowing) -> Value:
    """clamp(x / 6 + 1 / 2, 0, 1), as torch has it."""
    return clamp(b, scaled(b, frame(b, x), 1 / 6, 0.5), 0.0, 1.0)


def hard_swish(b: Builder, x: Flowing) -> Value:
    """x * hard_sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, hard_sigmoid(b, value))


def prelu(b: Builder, x: Flowing, slope: torch.Tensor) -> Value:
    """relu(x) - slope * relu(-x), with one slope, or one for each feature on the last axis."""
    value = frame(b, x)
    if slope.numel() > 1 and value.shape[1] != value.width:
        raise b.refuse("its slopes are not those of the features of a frame")
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    each = slope if slope.numel() == 1 else slope.reshape(-1, *[1] * (len(value.shape) - 2))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -each))


def gated_linear(b: Builder, x: Flowing, axis: int = -1) -> Value:
    """F.glu: the first half of the features times the sigmoid of the second."""
    value = frame(b, x)
    if value.shape[axis] != value.width or axis % len(value.shape) == value.time:
        raise b.refuse("it halves another axis than the features")
    half = value.width // 2
    first = b.then(Slice(value.width, 0, half), value)
    return b.then(Product(), first, b.then(Activation("sigmoid"), b.then(Slice(value.width, half, value.width), value)))


def power(b: Builder, x: Flowing, exponent: float) -> Value:
    """x * x; no other power has a word."""
    if exponent != 2:
        raise b.refuse("only the square can be taken")
    value = frame(b, x)
    return b.then(Product(), value, value)


def add(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """x + alpha * y."""
    if not isinstance(y, Flowing):
        return scaled(b, frame(b, x), 1.0, _times(y, alpha))
    if not isinstance(x, Flowing):
        return scaled(b, frame(b, y), alpha, x)
    other = frame(b, y)
    return _joined(b, Sum(), frame(b, x), other if alpha == 1 else scaled(b, other, alpha))


def subtract(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """x - alpha * y."""
    return add(b, x, y, -alpha)


def subtract_from(b: Builder, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """y - alpha * x."""
    return add(b, y, x, -alpha)


def multiply(b: Builder, x: Operand, y: Operand) -> Value:
    """x * y."""
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        return _joined(b, Product(), frame(b, x), frame(b, y))
    return scaled(b, frame(b, x), y) if isinstance(x, Flowing) else scaled(b, frame(b, y), x)


def divide(b: Builder, x: Operand, y: Operand, rounding_mode: str | None = None) -> Value:
    """x / y, with y a constant."""
    if isinstance(y, Flowing) or rounding_mode:
        raise b.refuse("it divides by a value of the stream; multiply by a constant or by a gate")
    return scaled(b, frame(b, x), 1.0 / torch.as_tensor(y, dtype=torch.float64))


def negate(b: Builder, x: Flowing) -> Value:
    """-x."""
    return scaled(b, frame(b, x), -1.0)


def scaled(b: Builder, x: Value, by: Any, plus: Any = 0.0) -> Value:
    """by * x + plus, each a number or a tensor that is the same at every step."""
    return b.then(Scale(_elements(b, x, by), _elements(b, x, plus)), x, shape=x.shape)


def concat(b: Builder, xs: Sequence[Any], axis: int = 0) -> Value:
    """Features side by side; or zeros before the sequence, which is padding."""
    values = [x for x in xs if isinstance(x, Flowing)]
    first = values[0]
    axis %= len(b.shape)
    if isinstance(first, Value) and axis == first.time and len(values) == 1:
        return _padded(b, xs, first, axis)
    if len(values) != len(xs):
        raise b.refuse("it joins the stream with a constant; add the constant to a bias instead")
    inputs = [frame(b, x) for x in values]
    if axis == inputs[0].time or prod(n for i, n in enumerate(b.shape[:axis]) if i != inputs[0].time) != 1:
        raise b.refuse("only features can be joined, not times")
    _check_aligned(b, *inputs)
    return b.then(Concat(), *inputs) if len(inputs) > 1 else inputs[0]


def _padded(b: Builder, xs: Sequence[Any], x: Value, axis: int) -> Value:
    left = 0
    for part in xs[: xs.index(x)]:
        if torch.count_nonzero(part):
            raise b.refuse("only zeros may stand before the sequence; let the layer learn its initial state instead")
        left += part.shape[axis]
    return x.at(b.shape, x.time, x.lead + left)


def _joined(b: Builder, cell: Any, x: Value, y: Value) -> Value:
    _check_aligned(b, x, y)
    if x.width != y.width and 1 in {x.width, y.width}:
        x, y = (_widened(b, value, max(x.width, y.width)) for value in (x, y))
    if x.width != y.width or prod(b.shape) // x.length != x.width:
        raise b.refuse(f"frames of shapes {x.shape} and {y.shape} meet; expected equal widths")
    return b.then(cell, x, y)


def _widened(b: Builder, x: Value, width: int) -> Value:
    """One element repeated, as broadcasting does."""
    if x.width == width:
        return x
    return b.then(Dense(Tensor(np.ones((width, 1)))), x)


def _check_aligned(b: Builder, *values: Value) -> None:
    if len({(value.time is None, value.lead, value.length) for value in values}) > 1:
        raise b.refuse(
            "its operands are not of the same steps: the last step meets a sequence, or one is shifted in time"
        )


def _elements(b: Builder, x: Value, given: Any) -> Tensor:
    """A constant as one number per element of a frame."""
    whole = torch.as_tensor(given, dtype=torch.float64)
    if not torch.isfinite(whole).all():
        raise b.refuse("a constant is not finite, such as one divided by zero")
    try:
        whole = whole.expand(x.shape)
    except RuntimeError as error:
        raise b.refuse(f"a constant of shape {tuple(whole.shape)} meets frames of {x.width} values") from error
    if x.time is not None:
        one = whole.select(x.time, 0).unsqueeze(x.time)
        if not torch.equal(whole, one.expand(x.shape)):
            raise b.refuse("a constant changes over time, such as a positional encoding")
        whole = one
    return weight(whole.flatten())


def _times(given: Any, alpha: float) -> Any:
    return given if alpha == 1 else given * alpha


POINTWISE: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("relu", "tanh", "sigmoid", "log"), activation),
    "softmax": softmax,
    "_softmax": softmax,
    "log_softmax": softmax,
    "_log_softmax": softmax,
    "silu": silu,
    "clamp": clamp,
    "clamp_min": clamp,
    "clamp_max": lambda b, x, high: clamp(b, x, None, high),
    "hardtanh": lambda b, x, low=-1.0, high=1.0: clamp(b, x, low, high),
    "relu6": lambda b, x: clamp(b, x, 0.0, 6.0),
    "hardsigmoid": hard_sigmoid,
    "hardswish": hard_swish,
    "prelu": prelu,
    "glu": gated_linear,
    "pow": power,
    "square": lambda b, x: power(b, x, 2),
    "leaky_relu": leaky_relu,
    "add": add,
    "sub": subtract,
    "rsub": subtract_from,
    "mul": multiply,
    "div": divide,
    "neg": negate,
    "cat": concat,
}
"""ATen operation -> what it does within a frame."""
