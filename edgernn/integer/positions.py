"""The integer forms of the operations on positions: what moves or chooses elements keeps their integers."""

from collections.abc import Callable
from dataclasses import dataclass

from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import MOST, Integers, multiplier, rescale
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.model.operation import Op
from edgernn.model.positions import gathered, largest as largest_of, reshaped, summed


@dataclass(frozen=True)
class Moved:
    """Elements moved or chosen, with their quantization parameters."""

    move: Callable[[Integers], Integers]

    def __call__(self, x: Integers) -> Integers:
        return self.move(x)


def reshape(op: Op, _plan: IntegerPlan) -> Moved:
    """Return the integer form of a reshape."""
    return Moved(lambda x: reshaped(x, *op.args[1:]))


def gather(op: Op, plan: IntegerPlan) -> Moved:
    """Return the integer form of a gather, whose zeros are the zero point."""
    return Moved(lambda x: gathered(x, op.args[1], op.args[2], zero=plan.quantization[op.outputs[0].name].zero))


def largest(op: Op, _plan: IntegerPlan) -> Moved:
    """Return the integer form of `largest`."""
    return Moved(lambda x: largest_of(x, op.args[2]))


@dataclass(frozen=True)
class Total:
    """q = to.zero + rescale(sum of x - x.zero over groups of positions)."""

    x: QuantizationParameters
    size: int
    mantissa: int
    shift: int
    to: QuantizationParameters

    def __call__(self, x: Integers) -> Integers:
        return saturate(rescale(summed(x - self.x.zero, self.size), self.mantissa, self.shift), self.to)


def total(op: Op, plan: IntegerPlan) -> Total:
    """Return the integer form of `sum`.

    Raises:
        CalibrationError: 32 bits may not hold the sums.
    """
    x, to, size = plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name], op.args[2]
    if size * x.reach > MOST:
        raise CalibrationError(
            f"layer '{op.layer}': a sum of {size} positions may reach {size * x.reach:.3g}, and 32 bits end at {MOST}; "
            f"keep the layer in float with keep=('{op.layer}',)"
        )
    mantissa, shift = multiplier(x.scale / to.scale)
    return Total(x, size, int(mantissa), int(shift), to)
