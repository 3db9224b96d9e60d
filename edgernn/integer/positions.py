"""The integer forms of what moves or chooses elements, which keeps their integers, and of sums over positions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import MOST, Integers, multiplier, rescale
from edgernn.integer.plan import IntegerPlan, QuantizationParameters, saturate
from edgernn.model.operation import Op
from edgernn.model.positions import entries, gathered, held, largest as largest_of, reshaped, summed
from edgernn.model.tensor import Tensor


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
class Held:
    """q = x where |x - last| > steps, else last, which have the same quantization parameters."""

    steps: int

    def __call__(self, x: Integers, last: Integers) -> Integers:
        return held(x, last, self.steps)


def hold(op: Op, plan: IntegerPlan) -> Held:
    """Return the integer form of `hold`."""
    return Held(steps(op.args[2], plan.quantization[op.outputs[0].name]))


def steps(threshold: float, qparams: QuantizationParameters) -> int:
    """Return the number of steps of an integer that a change may have within a threshold."""
    return int(min(threshold / qparams.scale, qparams.high - qparams.low))


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


@dataclass(frozen=True)
class Cut:
    """The parts of a value, with its quantization parameters."""

    ends: tuple[int, ...]

    def __call__(self, x: Integers) -> list[Integers]:
        return np.split(x, self.ends, axis=-1)


def split(op: Op, _plan: IntegerPlan) -> Cut:
    """Return the integer form of a split."""
    return Cut(tuple(np.cumsum(op.widths)[:-1].tolist()))


@dataclass(frozen=True, eq=False)
class Rows:
    """q = table[index]."""

    table: Integers  # (rows, width)

    def __call__(self, index: Integers) -> Integers:
        rows: Integers = entries(index[..., 0], self.table)
        return rows


def lookup(op: Op, plan: IntegerPlan) -> Rows:
    """Return the integer form of a look-up, with the table rounded once beforehand."""
    table: Tensor = op.args[0]
    return Rows(plan.quantization[op.outputs[0].name].integers(table.dense(np.float64)))
