"""The integer forms of the operations on wide values (edgernn.integer.wide)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from edgernn.integer.fixedpoint import LOG_POINT, Integers, halve, logarithm, together
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.integer.positions import split
from edgernn.integer.spectrum import spectrum
from edgernn.integer.wide import Weighted, weighted
from edgernn.model.operation import Op


@dataclass(frozen=True, eq=False)
class WideAffine:
    """y = by @ (x >> drop) + plus."""

    each: Weighted

    def __call__(self, x: Integers) -> Integers:
        y: Integers = _dropped(x, self.each.drop) @ self.each.by.T + self.each.plus
        return y


@dataclass(frozen=True, eq=False)
class WideScale:
    """y = by * (x >> drop) + plus."""

    each: Weighted

    def __call__(self, x: Integers) -> Integers:
        y: Integers = _dropped(x, self.each.drop) * self.each.by + self.each.plus
        return y


@dataclass(frozen=True)
class WideLogarithm:
    """q = to.zero + (log2(x) * by + plus) / 2 ** shift; the lowest integer where x is not above 0.

    log2 is that of the first 16 bits of x, with 24 fractional bits: its error is below 5e-5. by has 30 bits.
    """

    by: int
    plus: int
    shift: int
    to: QuantizationParameters

    def __call__(self, x: Integers) -> Integers:
        positive = np.maximum(x, 1)
        last = np.zeros_like(positive)  # the place of the first bit
        for k in (32, 16, 8, 4, 2, 1):
            last = np.where(positive >> (last + k) > 0, last + k, last)
        first = np.where(last < 15, positive << np.maximum(15 - last, 0), positive >> np.maximum(last - 15, 0))
        log2 = logarithm(first) + ((last - 15) << LOG_POINT)
        y = saturate(halve(log2 * self.by + self.plus, self.shift), self.to)
        return np.where(x > 0, y, self.to.low)


def _logarithm(op: Op, plan: IntegerPlan) -> WideLogarithm:
    """Return the integer form of the natural logarithm of a wide value."""
    x, to = plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name]
    by, plus, shift = together(log(2) / (1 << LOG_POINT) / to.scale, log(x.scale) / to.scale)
    return WideLogarithm(int(by), int(plus), shift, to)


WIDE: Mapping[str, Callable[[Op, IntegerPlan], Callable[..., Any]]] = {
    "rfft": lambda op, _: spectrum(op),
    "split": split,
    "multiply": lambda _op, _plan: np.multiply,
    "add": lambda _op, _plan: np.add,
    "affine": lambda op, plan: WideAffine(weighted(op, plan.quantization[op.inputs[0].name])),
    "scale": lambda op, plan: WideScale(weighted(op, plan.quantization[op.inputs[0].name])),
    "log": _logarithm,
}
"""The name of an operation on wide values -> the function that returns its integer form."""


def _dropped(x: Integers, bits: int) -> Integers:
    return halve(x, bits) if bits else x
