"""Operations within one frame: activations, arithmetic, and joins of branches."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch

from edgernn.cells import Activation, Concat, Dense, Gather, Product, Scale, Slice, Sum
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.builder import Builder, NeedsDelayError, op_of, weight
from edgernn_export.sources.torch.value import Carried, Flowing, Incoming, Stack, Value

Operand = Flowing | torch.Tensor | float


def frame(b: Builder, x: Any) -> Value:
    """Return a value that a layer can take as its input, or refuse it."""
    if isinstance(x, Stack) and len(x.values) == 1:
        return x.values[0].at(x.shape, None)
    if isinstance(x, Stack):
        return Value(b.add(Concat(), x.values), x.shape, None)
    if isinstance(x, Incoming):
        raise NeedsDelayError(x.position)
    if isinstance(x, Carried):
        raise NeedsDelayError(b.operations[x.layers[0]])
    if not isinstance(x, Value):
        raise b.refuse(f"a {type(x).__name__} arrives where a value of the stream is expected")
    if x.lead > 0:
        raise b.refuse("its input is a padded sequence; pad directly before the convolution")
    return x


def activation(b: Builder, x: Flowing) -> Value:
    """Convert relu, tanh, sigmoid and log."""
    return b.then(Activation(op_of(b.node)), frame(b, x))


def softmax(b: Builder, x: Flowing, axis: int, dtype: Any = None) -> Value:
    """Convert softmax over the features; log_softmax is its logarithm."""
    del dtype
    value = frame(b, x)
    if value.shape[axis] != value.width or axis % len(value.shape) == value.time:
        raise b.refuse("it does not run over the features; attention over time cannot stream")
    share = b.then(Activation("softmax"), value)
    return b.then(Activation("log"), share) if op_of(b.node) == "log_softmax" else share


def silu(b: Builder, x: Flowing) -> Value:
    """Convert silu: x * sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, b.then(Activation("sigmoid"), value))


def leaky_relu(b: Builder, x: Flowing, slope: float = 0.01) -> Value:
    """Convert leaky_relu: relu(x) - slope * relu(-x)."""
    value = frame(b, x)
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -float(slope)))


def clamp(b: Builder, x: Flowing, low: Any = None, high: Any = None) -> Value:
    """Convert clamp, hardtanh and relu6: min(max(x, low), high), written with relu."""
    value = frame(b, x)
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        raise b.refuse("its bounds are tensors; use numbers")
    if low is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, 1.0, -low)), 1.0, low)
    if high is not None:
        value = scaled(b, b.then(Activation("relu"), scaled(b, value, -1.0, high)), -1.0, high)
    return value


def hard_sigmoid(b: Builder, x: Flowing) -> Value:
    """Convert hardsigmoid as torch defines it: clamp(x / 6 + 1 / 2, 0, 1)."""
    return clamp(b, scaled(b, frame(b, x), 1 / 6, 0.5), 0.0, 1.0)


def hard_swish(b: Builder, x: Flowing) -> Value:
    """Convert hardswish: x * hard_sigmoid(x)."""
    value = frame(b, x)
    return b.then(Product(), value, hard_sigmoid(b, value))


def prelu(b: Builder, x: Flowing, slope: torch.Tensor) -> Value:
    """Convert prelu: relu(x) - slope * relu(-x), with one slope, or one for each feature."""
    value = frame(b, x)
    if slope.numel() > 1 and value.shape[1] != value.width:
        raise b.refuse("its slopes do not belong to the features of a frame; put the features on axis 1")
    below = b.then(Activation("relu"), scaled(b, value, -1.0))
    each = slope if slope.numel() == 1 else slope.reshape(-1, *[1] * (len(value.shape) - 2))
    return b.then(Sum(), b.then(Activation("relu"), value), scaled(b, below, -each))


def gated_linear(b: Builder, x: Flowing, axis: int = -1) -> Value:
    """Convert F.glu: the first half of the features times the sigmoid of the second half."""
    value = frame(b, x)
    if value.shape[axis] != value.width or axis % len(value.shape) == value.time:
        raise b.refuse("it halves an axis other than the features; halve the features")
    half = value.width // 2
    first = b.then(Slice(value.width, 0, half), value)
    return b.then(Product(), first, b.then(Activation("sigmoid"), b.then(Slice(value.width, half, value.width), value)))


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


def scaled(b: Builder, x: Value, by: Any, plus: Any = 0.0) -> Value:
    """Add a Scale: by * x + plus. Both are numbers, or tensors that are the same at every step."""
    return b.then(Scale(_elements(b, x, by), _elements(b, x, plus)), x, shape=x.shape)


def concat(b: Builder, xs: Sequence[Any], axis: int = 0) -> Value:
    """Convert cat: features side by side on any axis, or zeros before the sequence, which are padding."""
    values = [x for x in xs if isinstance(x, Flowing)]
    first = values[0]
    axis %= len(b.shape)
    if isinstance(first, Value) and axis == first.time and len(values) == 1:
        return _padded(b, xs, first, axis)
    if len(values) != len(xs):
        raise b.refuse("it joins the stream with a constant; put the constant into the bias of the next layer")
    inputs = [frame(b, x) for x in values]
    if axis == inputs[0].time:
        raise b.refuse("it joins steps; only features can be joined")
    _check_aligned(b, *inputs)
    if len(inputs) == 1:
        return inputs[0]
    whole = b.then(Concat(), *inputs)
    if prod(n for i, n in enumerate(b.shape[:axis]) if i != inputs[0].time) == 1:
        return whole
    return b.then(Gather(whole.width, tuple(_side_by_side(inputs, axis))), whole)


def _side_by_side(inputs: Sequence[Value], axis: int) -> list[int]:
    """Return the places, among the elements of all frames, of those of their concatenation on an inner axis."""
    start, places = 0, []
    for x in inputs:
        lengths = [1 if i == x.time else length for i, length in enumerate(x.shape)]
        places.append(start + torch.arange(x.width).reshape(lengths))
        start += x.width
    return [int(each) for each in torch.cat(places, axis).flatten()]


def stack(b: Builder, xs: Sequence[Any], axis: int = 0) -> Value:
    """Convert stack along a new axis of a frame."""
    if not all(isinstance(x, Flowing) for x in xs):
        raise b.refuse("it joins the stream with a constant; put the constant into the bias of the next layer")
    at, parts = axis % len(b.shape), []
    for x in (frame(b, each) for each in xs):
        time = x.time if x.time is None or x.time < at else x.time + 1
        parts.append(x.at((*x.shape[:at], 1, *x.shape[at:]), time))
    return concat(b, parts, at)


def overwrite(b: Builder, x: Operand, y: Operand, *_: Any) -> Value:
    """Convert the copy into the whole of a value, as into a buffer that is a state."""
    target: Any = b.node.args[0]
    view = getattr(target.target, "is_view", False)
    if view or not isinstance(x, Flowing) or not isinstance(y, Flowing) or tuple(x.shape) != tuple(y.shape):
        raise b.refuse()
    return frame(b, y)


def _padded(b: Builder, xs: Sequence[Any], x: Value, axis: int) -> Value:
    left = 0
    for part in xs[: xs.index(x)]:
        if torch.count_nonzero(part):
            raise b.refuse(
                "it puts values other than zeros before the sequence; learn the layer's initial state instead"
            )
        left += part.shape[axis]
    return x.at(b.shape, x.time, x.lead + left)


def joined(b: Builder, cell: Any, x: Value, y: Value) -> Value:
    """Add a join of two values; one element is repeated to the width of the other."""
    _check_aligned(b, x, y)
    if x.width != y.width and 1 in {x.width, y.width}:
        x, y = (widened(b, value, max(x.width, y.width)) for value in (x, y))
    if x.width != y.width or prod(b.shape) // x.length != x.width:
        raise b.refuse(f"its operands have frames of shapes {x.shape} and {y.shape}; expected equal widths")
    return b.then(cell, x, y)


def widened(b: Builder, x: Value, width: int) -> Value:
    """Repeat a single element to this width, as broadcasting does."""
    if x.width == width:
        return x
    return b.then(Dense(Tensor(np.ones((width, 1)))), x)


def _check_aligned(b: Builder, *values: Value) -> None:
    if len({(value.time is None, value.lead, value.length) for value in values}) > 1:
        raise b.refuse(
            "its operands belong to different steps: one is the last step and the other a sequence, or one is "
            "shifted in time"
        )


def _elements(b: Builder, x: Value, constant: Any) -> Tensor:
    """Return a constant as one number per element of a frame."""
    whole = torch.as_tensor(constant, dtype=torch.float64)
    if not torch.isfinite(whole).all():
        raise b.refuse("a constant is not finite; was it divided by zero?")
    try:
        whole = whole.expand(x.shape)
    except RuntimeError as error:
        raise b.refuse(f"a constant has shape {tuple(whole.shape)}, and the frames have {x.width} values") from error
    if x.time is not None:
        one = whole.select(x.time, 0).unsqueeze(x.time)
        if not torch.equal(whole, one.expand(x.shape)):
            raise b.refuse("a constant changes over time, as a positional encoding does")
        whole = one
    return weight(whole.flatten())


def _times(constant: Any, alpha: float) -> Any:
    return constant if alpha == 1 else constant * alpha


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
    "leaky_relu": leaky_relu,
    "add": add,
    "sub": subtract,
    "rsub": subtract_from,
    "mul": multiply,
    "neg": negate,
    "cat": concat,
    "stack": stack,
    "copy": overwrite,
}
"""ATen operation -> its handler, within one frame."""
