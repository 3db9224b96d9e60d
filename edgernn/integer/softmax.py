"""The integer forms of `softmax` and `log`, by powers and logarithms of 2, where integers or states depend on them."""

from dataclasses import dataclass
from math import e, log, log2

import numpy as np

from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import (
    LOG_POINT,
    POWER_POINT,
    Integers,
    halve,
    logarithm,
    multiplier,
    power,
    rescale,
    together,
)
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.model.operation import Op

WIDEST = 1 << 14  # elements of a vector; for more, the sum of powers may reach 2 ** 45 and a share lose bits
TOP = 60  # a share is a product with 2 ** TOP / sum


@dataclass(frozen=True)
class Softmax:
    """q = to.zero + share, where share = 2 ** -t / sum(2 ** -t) and t = (largest - q) * x.scale * log2(e).

    The powers are integers of 31 bits (edgernn.integer.fixedpoint.power), and the largest is 2 ** 30. So their sum is
    from 2 ** 30 to 2 ** 44; 2 ** 60 // sum is one 64-bit division and at most 2 ** 30; and its product with a power is
    below 2 ** 61. The truncation of the division changes a share by less than 2 ** -30. Beside the last rounding of
    half a step, the error is below 0.1 steps of 2 ** -15, the smallest scale of a softmax.
    """

    mantissa: int  # from steps of x to arguments of `power`
    shift: int
    drop: int  # TOP minus the fractional bits of the result
    to: QuantizationParameters

    def __call__(self, q: Integers) -> Integers:
        t = rescale(q.max(axis=-1, keepdims=True) - q, self.mantissa, self.shift)
        powers = power(t)
        inverse = (np.int64(1) << TOP) // powers.sum(axis=-1, keepdims=True)
        return saturate(halve(powers * inverse, self.drop), self.to)


def softmax(op: Op, plan: IntegerPlan) -> Softmax:
    """Return the integer form of `exp(x) / sum(exp(x))`.

    Raises:
        CalibrationError: a vector has more than WIDEST elements.
    """
    (ref,) = op.inputs
    if ref.width > WIDEST:
        raise CalibrationError(
            f"layer '{op.layer}': integers depend on a softmax of {ref.width} elements; expected {WIDEST} at most: "
            f"keep the layer in float with keep=('{op.layer}',)"
        )
    x, to = plan.quantization[ref.name], plan.quantization[op.outputs[0].name]
    factor = min(x.scale * log2(e) * (1 << POWER_POINT), 2.0**24)  # from 2 ** 23 on, one step of x gives power 0
    mantissa, shift = multiplier(factor)
    return Softmax(int(mantissa), int(shift), TOP + round(log2(to.scale)), to)


@dataclass(frozen=True)
class Logarithm:
    """q = to.zero + (log2(x - x.zero) * by + plus) / 2 ** shift; the lowest integer where x - x.zero is not above 0.

    log2 has 24 fractional bits and at most 29 bits in all (edgernn.integer.fixedpoint.logarithm). `plus` is the
    logarithm of the scale of x. Beside the last rounding of half a step, the error is below 3e-6.
    """

    x: QuantizationParameters
    by: int  # 31 bits
    plus: int  # 61 bits
    shift: int
    to: QuantizationParameters

    def __call__(self, q: Integers) -> Integers:
        centred = q - self.x.zero
        y = saturate(halve(logarithm(np.maximum(centred, 1)) * self.by + self.plus, self.shift), self.to)
        return np.where(centred > 0, y, self.to.low)


def natural(op: Op, plan: IntegerPlan) -> Logarithm:
    """Return the integer form of the natural logarithm."""
    x, to = plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name]
    by, plus, shift = together(log(2) / (1 << LOG_POINT) / to.scale, log(x.scale) / to.scale)
    return Logarithm(x, int(by), int(plus), shift, to)
