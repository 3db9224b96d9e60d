"""Compositions of exponentials, roots, quotients and maxima: activations, powers, and comparisons as masks."""

from collections.abc import Callable
from math import log
from typing import Any

import torch

from edgernn.cells import Activation, Maximum, Product, Quotient, Sum
from edgernn_export.sources.torch.layers.builder import Builder, op_of
from edgernn_export.sources.torch.layers.value import Flowing, Value
from edgernn_export.sources.torch.operations.broadcast import joined, scaled
from edgernn_export.sources.torch.operations.pointwise import add, frame, multiply, subtract

Operand = Flowing | torch.Tensor | float

SHARP = 20.0
"""The threshold of softplus above which its argument is the result within 3e-9; torch's default."""

SELU = 1.6732632423543772, 1.0507009873554805
"""alpha and size of F.selu: G. Klambauer et al. (arXiv:1706.02515)."""

LARGEST_POWER = 16
"""The largest whole exponent: a product for each digit of it."""


def curve(function: str) -> Callable[..., Value]:
    """Return the handler of a function of one value that Activation has."""

    def convert(b: Builder, x: Flowing) -> Value:
        return _applied(b, function, frame(b, x))

    return convert


def _applied(b: Builder, function: str, x: Value) -> Value:
    """Add an Activation with the shape of its input."""
    return b.then(Activation(function), x, shape=x.shape)


def divide(b: Builder, x: Operand, y: Operand, rounding_mode: str | None = None) -> Value:
    """Convert x / y, of two values or of a value and a constant."""
    if rounding_mode:
        raise b.refuse("it rounds the quotient; no operation rounds values")
    if not isinstance(y, Flowing):
        return scaled(b, frame(b, x), 1.0 / torch.as_tensor(y, dtype=torch.float64))
    if isinstance(x, Flowing):
        return joined(b, Quotient(), frame(b, x), frame(b, y))
    return multiply(b, x, _applied(b, "reciprocal", frame(b, y)))


def maximum(b: Builder, x: Operand, y: Operand) -> Value:
    """Convert the larger of two values, or of a value and a constant c: c + relu(x - c)."""
    if isinstance(x, Flowing) and isinstance(y, Flowing):
        return joined(b, Maximum(), frame(b, x), frame(b, y))
    value, bound = (x, y) if isinstance(x, Flowing) else (y, x)
    return add(b, _applied(b, "relu", subtract(b, value, bound)), bound)


def minimum(b: Builder, x: Operand, y: Operand) -> Value:
    """Convert the smaller of two values, as -max(-x, -y)."""
    below, other = (scaled(b, frame(b, z), -1.0) if isinstance(z, Flowing) else -torch.as_tensor(z) for z in (x, y))
    return scaled(b, maximum(b, below, other), -1.0)


def elu(b: Builder, x: Flowing, alpha: float = 1.0, size: float = 1.0, inner: float = 1.0) -> Value:
    """Convert elu, selu and celu: size * (x above 0, and alpha * (exp(inner * x) - 1) below)."""
    value = frame(b, x)
    if inner == alpha == 1.0:
        return scaled(b, _applied(b, "elu", value), size) if size != 1.0 else _applied(b, "elu", value)
    curved = _applied(b, "elu", scaled(b, value, inner))
    positive = _applied(b, "relu", value)  # elu is linear there, with the slope alpha * inner
    parts = scaled(b, curved, size * alpha), scaled(b, positive, size * (1 - alpha * inner))
    return b.then(Sum(), *parts, shape=value.shape)


def gelu(b: Builder, x: Flowing, approximate: str = "none") -> Value:
    """Convert gelu: the exact one, or its approximation by tanh."""
    return _applied(b, "gelu" if approximate == "none" else "gelu_tanh", frame(b, x))


def softplus(b: Builder, x: Flowing, beta: float = 1.0, threshold: float = SHARP) -> Value:
    """Convert softplus: log(1 + exp(beta * x)) / beta."""
    if threshold < SHARP:
        raise b.refuse(f"its threshold is {threshold:g}; expected {SHARP:g} or more, above which it is linear anyway")
    value = frame(b, x)
    if beta == 1.0:
        return _applied(b, "softplus", value)
    return scaled(b, _applied(b, "softplus", scaled(b, value, beta)), 1 / beta)


def log_sigmoid(b: Builder, x: Flowing) -> Value:
    """Convert log(sigmoid(x)): -softplus(-x)."""
    return scaled(b, _applied(b, "softplus", scaled(b, frame(b, x), -1.0)), -1.0)


def softsign(b: Builder, x: Flowing) -> Value:
    """Convert x / (1 + |x|)."""
    value = frame(b, x)
    return b.then(Quotient(), value, scaled(b, _applied(b, "abs", value), 1.0, 1.0))


def logarithm(by: float = 1.0, plus: float = 0.0) -> Callable[..., Value]:
    """Return the handler of by * log(x + plus)."""

    def convert(b: Builder, x: Flowing) -> Value:
        value = frame(b, x)
        y = _applied(b, "log", scaled(b, value, 1.0, plus) if plus else value)
        return scaled(b, y, by) if by != 1.0 else y

    return convert


def exponential(by: float = 1.0, plus: float = 0.0) -> Callable[..., Value]:
    """Return the handler of exp(by * x) + plus."""

    def convert(b: Builder, x: Flowing) -> Value:
        value = frame(b, x)
        y = _applied(b, "exp", scaled(b, value, by) if by != 1.0 else value)
        return scaled(b, y, 1.0, plus) if plus else y

    return convert


def inverse_root(b: Builder, x: Flowing) -> Value:
    """Convert 1 / sqrt(x)."""
    return _applied(b, "reciprocal", _applied(b, "sqrt", frame(b, x)))


def power(b: Builder, x: Operand, exponent: Operand) -> Value:
    """Convert x to a constant power.

    Small whole exponents and halves of them are products and roots; any other is exp(exponent * log(x)), NaN below 0 as
    in torch.
    """
    if isinstance(exponent, torch.Tensor) and exponent.numel() == 1:
        exponent = float(exponent)
    if not isinstance(x, Flowing) and isinstance(exponent, Flowing):
        base = torch.as_tensor(x, dtype=torch.float64)
        if not bool((base > 0).all()):
            raise b.refuse("its base is not above 0, so that it has no power between whole exponents; use one above 0")
        return _applied(b, "exp", scaled(b, frame(b, exponent), base.log()))
    if isinstance(exponent, Flowing):
        raise b.refuse("its exponent is a value; for x above 0, write torch.exp(exponent * torch.log(x))")
    numbers = torch.as_tensor(exponent, dtype=torch.float64)
    whole = bool((numbers % 1 == 0).any())
    if whole and (numbers.dim() or abs(numbers) > LARGEST_POWER):
        raise b.refuse(
            f"its exponents are whole numbers, above {LARGEST_POWER} or one for each feature; for x above 0, write "
            "torch.exp(exponent * torch.log(x))"
        )
    if not isinstance(exponent, int | float) or 2 * exponent % 1 or abs(exponent) > LARGEST_POWER:
        return _applied(b, "exp", scaled(b, _applied(b, "log", frame(b, x)), numbers))
    value, size = frame(b, x), abs(exponent)
    parts = _products(b, value, int(size))
    parts += [_applied(b, "sqrt", value)] if size % 1 else []
    if not parts:
        return scaled(b, value, 0.0, 1.0)
    y = parts[0] if len(parts) == 1 else b.then(Product(), *parts, shape=value.shape)
    return _applied(b, "reciprocal", y) if exponent < 0 else y


def _products(b: Builder, x: Value, exponent: int) -> list[Value]:
    """Return the factors of a whole power, by repeated squares."""
    factors, square = [], x
    while exponent:
        if exponent % 2:
            factors.append(square)
        exponent //= 2
        if exponent:
            square = b.then(Product(), square, square, shape=x.shape)
    return factors


def compare(b: Builder, x: Flowing, bound: Operand) -> Value:
    """Convert a comparison to a mask: 1 where it is true, 0 where it is not."""
    op = op_of(b.node)
    mask = _applied(b, "above", subtract(b, bound, x) if op in {"lt", "ge"} else subtract(b, x, bound))
    return scaled(b, mask, -1.0, 1.0) if op in {"ge", "le"} else mask


def negation(b: Builder, mask: Flowing) -> Value:
    """Convert the negation of a mask."""
    _check_masks(b)
    return scaled(b, frame(b, mask), -1.0, 1.0)


def conjunction(b: Builder, x: Operand, y: Operand) -> Value:
    """Convert "and" of two masks."""
    _check_masks(b)
    return multiply(b, x, y)


def disjunction(b: Builder, x: Operand, y: Operand) -> Value:
    """Convert "or" of two masks."""
    _check_masks(b)
    return maximum(b, x, y)


def where(b: Builder, mask: Operand, x: Operand, y: Operand) -> Any:
    """Convert torch.where: mask * x + (1 - mask) * y, for values that are finite."""
    opposite = scaled(b, frame(b, mask), -1.0, 1.0) if isinstance(mask, Flowing) else ~torch.as_tensor(mask)
    pairs = (mask, x), (opposite, y)
    nothing = [not isinstance(value, Flowing) and not torch.count_nonzero(torch.as_tensor(value)) for _, value in pairs]
    if any(nothing) and not all(nothing):
        return _masked(b, *pairs[nothing.index(False)])
    parts = [_masked(b, *pair) for pair in pairs]
    return add(b, *parts) if any(isinstance(part, Flowing) for part in parts) else parts[0] + parts[1]


def fill(b: Builder, x: Operand, mask: Operand, number: Operand) -> Any:
    """Convert masked_fill: a number where the mask is 1."""
    return where(b, mask, number, x)


def _masked(b: Builder, mask: Any, x: Any) -> Any:
    if isinstance(mask, Flowing) or isinstance(x, Flowing):
        return multiply(b, mask, x)
    return mask * torch.as_tensor(x, dtype=torch.float64)


def _check_masks(b: Builder) -> None:
    if b.node.meta["val"].dtype is not torch.bool:
        raise b.refuse("it works on the bits of integers; only masks of comparisons are supported")


ARITHMETIC: dict[str, Callable[..., Any]] = {
    **{op: curve(op) for op in ("abs", "erf", "exp", "mish", "reciprocal", "sqrt")},
    "absolute": curve("abs"),
    "div": divide,
    "true_divide": divide,
    "maximum": maximum,
    "minimum": minimum,
    "elu": elu,
    "selu": lambda b, x: elu(b, x, SELU[0], SELU[1]),
    "celu": lambda b, x, alpha=1.0: elu(b, x, alpha, 1.0, 1 / alpha),
    "gelu": gelu,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "softsign": softsign,
    "tanhshrink": lambda b, x: subtract(b, x, _applied(b, "tanh", frame(b, x))),
    "log1p": logarithm(plus=1.0),
    "log2": logarithm(by=1 / log(2)),
    "log10": logarithm(by=1 / log(10)),
    "expm1": exponential(plus=-1.0),
    "exp2": exponential(by=log(2)),
    "rsqrt": inverse_root,
    **dict.fromkeys(("pow", "float_power"), power),
    "square": lambda b, x: power(b, x, 2),
    **dict.fromkeys(("gt", "lt", "ge", "le"), compare),
    **dict.fromkeys(("logical_not", "bitwise_not"), negation),
    **dict.fromkeys(("logical_and", "bitwise_and", "__and__"), conjunction),
    **dict.fromkeys(("logical_or", "bitwise_or", "__or__"), disjunction),
    "where": where,
    "masked_fill": fill,
}
"""ATen operation -> its handler, by exponentials, roots and quotients within one frame."""
