"""The integer form of each operation: its constants, which every target can write, and its definition in numpy.

32 bits hold every sum of products; this is checked when the constants are computed. Every operation rounds once and
then saturates at the ends of its integers; only those with a table or a root inside also round before. Floats are used
only to compute the constants, in float64.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import CalibrationError
from edgernn.integer import fixedpoint
from edgernn.integer.fixedpoint import MOST, ONE, POSITION, Integers, exact_float, halve, multiplier, rescale, together
from edgernn.integer.normalize import normalize
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.integer.positions import gather, hold, largest, lookup, reshape, split, total
from edgernn.integer.softmax import natural, softmax
from edgernn.integer.tables import Table, tabled
from edgernn.integer.wide_forms import WIDE
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Affine:
    """q = to.zero + rescale(weight @ x + bias), with a multiplier for each row."""

    weight: Integers  # (rows, inputs), 8 bits
    bias: Integers  # (rows,), 32 bits: in units of x.scale times the row's scale, minus x.zero times the row's sum
    mantissa: Integers  # (rows,)
    shift: Integers  # (rows,)
    to: QuantizationParameters
    most: int = 1 << 15  # the largest magnitude of x

    def __call__(self, x: Integers) -> Integers:
        sums = (x.astype(self._columns.dtype) @ self._columns).astype(np.int64) + self.bias
        return saturate(rescale(sums, self.mantissa, self.shift), self.to)

    @cached_property
    def _columns(self) -> NDArray[np.floating]:
        """The weights (inputs, rows) in a float that represents these sums exactly: its matrix product is fast."""
        return np.ascontiguousarray(self.weight.T, exact_float(self.weight, self.most))


def affine(op: Op, plan: IntegerPlan) -> Affine:
    """Return the integer form of `weight @ x + bias`.

    Raises:
        CalibrationError: 32 bits may not hold the sums.
    """
    weight, ref, bias = op.args
    x, to = plan.quantization[ref.name], plan.quantization[op.outputs[0].name]
    assert weight.scale is not None
    step = weight.scale.astype(np.float64) * x.scale
    real = np.zeros(len(step)) if bias is None else bias.dense(np.float64)
    inverse = np.divide(1.0, step, out=np.zeros_like(step), where=step > 0)
    rounded = np.rint(real * inverse)
    w = weight.stored.astype(np.int64)
    most = np.abs(w).sum(axis=1) * x.reach + np.abs(rounded)
    if most.max() > MOST or (real[step == 0] != 0).any():
        raise CalibrationError(
            f"layer '{op.layer}': the sums of an affine may reach {most.max():.3g}, and 32 bits end at {MOST}; "
            "quantize the float graph again with these ranges"
        )
    mantissa, shift = multiplier(step / to.scale)
    return Affine(w, rounded.astype(np.int64) - x.zero * w.sum(axis=1), mantissa, shift, to, -x.low)


@dataclass(frozen=True)
class Sum:
    """q = to.zero + ((a - a.zero) * by_a + (b - b.zero) * by_b) / 2 ** shift, with the products added in 64 bits."""

    a: QuantizationParameters
    b: QuantizationParameters
    by_a: int
    by_b: int  # negative for a difference
    shift: int
    to: QuantizationParameters

    def __call__(self, a: Integers, b: Integers) -> Integers:
        return saturate(halve((a - self.a.zero) * self.by_a + (b - self.b.zero) * self.by_b, self.shift), self.to)


def add(op: Op, plan: IntegerPlan) -> Sum:
    """Return the integer form of `a + b` or `a - b`."""
    a, b = (plan.quantization[ref.name] for ref in op.inputs)
    to = plan.quantization[op.outputs[0].name]
    sign = -1 if op.name == "subtract" else 1
    (by_a, by_b), _, shift = together(np.array([a.scale, sign * b.scale]) / to.scale)
    return Sum(a, b, int(by_a), int(by_b), shift, to)


@dataclass(frozen=True)
class Product:
    """q = to.zero + rescale((a - a.zero) * (b - b.zero))."""

    a: QuantizationParameters
    b: QuantizationParameters
    mantissa: int
    shift: int
    to: QuantizationParameters

    def __call__(self, a: Integers, b: Integers) -> Integers:
        return saturate(rescale((a - self.a.zero) * (b - self.b.zero), self.mantissa, self.shift), self.to)


def multiply(op: Op, plan: IntegerPlan) -> Product:
    """Return the integer form of `a * b`."""
    a, b = (plan.quantization[ref.name] for ref in op.inputs)
    to = plan.quantization[op.outputs[0].name]
    mantissa, shift = multiplier(a.scale * b.scale / to.scale)
    return Product(a, b, int(mantissa), int(shift), to)


@dataclass(frozen=True, eq=False)
class Scaled:
    """q = to.zero + ((x - x.zero) * by + plus) / 2 ** shift, elementwise, in 64 bits."""

    x: QuantizationParameters
    by: Integers  # () or (width,), 32 bits
    plus: Integers  # () or (width,), 64 bits
    shift: int
    to: QuantizationParameters

    def __call__(self, x: Integers) -> Integers:
        return saturate(halve((x - self.x.zero) * self.by + self.plus, self.shift), self.to)


def scale(op: Op, plan: IntegerPlan) -> Scaled:
    """Return the integer form of `by * x + plus`."""
    ref, by, plus = op.args
    x, to = plan.quantization[ref.name], plan.quantization[op.outputs[0].name]
    factors, offsets, shift = together(_dense(by) * x.scale / to.scale, _dense(plus) / to.scale)
    return Scaled(x, factors, offsets, shift, to)


@dataclass(frozen=True)
class Requantized:
    """q = to.zero + rescale(x - x.zero): the same value with other parameters; relu first replaces what is below 0."""

    x: QuantizationParameters
    mantissa: int
    shift: int
    to: QuantizationParameters
    relu: bool = False

    def __call__(self, x: Integers) -> Integers:
        if not self.relu and self.x == self.to:
            return x
        centred = x - self.x.zero
        return saturate(rescale(np.maximum(centred, 0) if self.relu else centred, self.mantissa, self.shift), self.to)


def requantized(x: QuantizationParameters, to: QuantizationParameters, *, relu: bool = False) -> Requantized:
    """Return the constants that change a value from some quantization parameters to others."""
    mantissa, shift = multiplier(x.scale / to.scale)
    return Requantized(x, int(mantissa), int(shift), to, relu)


def relu(op: Op, plan: IntegerPlan) -> Requantized:
    """Return the integer form of `max(x, 0)`."""
    return requantized(plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name], relu=True)


@dataclass(frozen=True)
class Curve:
    """tanh in 16 bits by the table of edgernn.integer.fixedpoint, and sigmoid(x) = (1 + tanh(x / 2)) / 2 by it."""

    x: QuantizationParameters
    mantissa: int  # from steps of x to positions in the table
    shift: int
    plus: int  # ONE for sigmoid, 0 for tanh
    drop: int  # low bits of the curve that the result does not have, or 0
    to: QuantizationParameters

    def __call__(self, x: Integers) -> Integers:
        t = fixedpoint.tanh(rescale(x - self.x.zero, self.mantissa, self.shift)) + self.plus
        return saturate(halve(t, self.drop) if self.drop else t, self.to)


def squash(op: Op, plan: IntegerPlan) -> Table | Curve:
    """Return the integer form of sigmoid or tanh: a table of 256 entries, each rounded once, when x has 8 bits."""
    x, to = plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name]
    if x.bits == 8:
        real = np.arange(x.low, x.high + 1, dtype=np.float64)
        real = (real - x.zero) * x.scale
        exact = np.tanh(real) if op.name == "tanh" else 0.5 * np.tanh(0.5 * real) + 0.5
        return Table(to.integers(exact), x.low)
    half, plus = (0.5, ONE) if op.name == "sigmoid" else (1.0, 0)
    mantissa, shift = multiplier(half * x.scale * (1 << POSITION))
    drop = round(log2(to.scale * (ONE + plus)))
    return Curve(x, int(mantissa), int(shift), plus, drop, to)


@dataclass(frozen=True)
class Larger:
    """q = max(a, b), each requantized to the parameters of the result."""

    each: tuple[Requantized, Requantized]

    def __call__(self, a: Integers, b: Integers) -> Integers:
        return np.maximum(self.each[0](a), self.each[1](b))


def maximum(op: Op, plan: IntegerPlan) -> Larger:
    """Return the integer form of `max(a, b)`."""
    to = plan.quantization[op.outputs[0].name]
    a, b = (requantized(plan.quantization[ref.name], to) for ref in op.inputs)
    return Larger((a, b))


@dataclass(frozen=True)
class Joined:
    """A concatenation of values, each requantized to the parameters of the result."""

    each: tuple[Requantized, ...]

    def __call__(self, *xs: Integers) -> Integers:
        return np.concatenate([requantize(x) for requantize, x in zip(self.each, xs, strict=True)], axis=-1)


def concat(op: Op, plan: IntegerPlan) -> Joined:
    """Return the integer form of a concatenation."""
    to = plan.quantization[op.outputs[0].name]
    return Joined(tuple(requantized(plan.quantization[ref.name], to) for ref in op.inputs))


MAKE: Mapping[str, Callable[[Op, IntegerPlan], Callable[..., Any]]] = {
    "affine": affine,
    "add": add,
    "subtract": add,
    "multiply": multiply,
    "scale": scale,
    "sigmoid": squash,
    "tanh": squash,
    "relu": relu,
    "maximum": maximum,
    "exp": tabled,
    "sqrt": tabled,
    "split": split,
    "concat": concat,
    "lookup": lookup,
    "normalize": normalize,
    "reshape": reshape,
    "gather": gather,
    "sum": total,
    "largest": largest,
    "hold": hold,
    "softmax": softmax,
    "log": natural,
}
"""The name of an operation -> the function that returns its integer form."""


def integer_forms(plan: IntegerPlan) -> Mapping[Ref, Callable[..., Any]]:
    """Return the integer form of each integer operation, by its first output."""
    operations = [op for op in plan.trace.operations if plan.is_integer(op)]
    return {op.outputs[0]: (WIDE if plan.is_wide(op) else MAKE)[op.name](op, plan) for op in operations}


def _dense(factor: Tensor | float) -> Any:
    return factor.dense(np.float64) if isinstance(factor, Tensor) else np.float64(factor)
