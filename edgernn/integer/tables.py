"""The integer form of a function of 8 bits: a table of 256 entries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.integer.fixedpoint import Integers
from edgernn.integer.plan import IntegerPlan
from edgernn.model.operation import Op
from edgernn.model.positions import entries


@dataclass(frozen=True, eq=False)
class Table:
    """q = entries[x - lowest], with an entry for each integer of the input."""

    entries: Integers
    lowest: int = 0

    def __call__(self, x: Integers) -> Integers:
        y: Integers = entries(x - self.lowest, self.entries)
        return y


CURVES: Mapping[str, Callable[[Any], Any]] = {
    "exp": lambda x: np.exp(np.minimum(x, BEYOND)),
    "sqrt": lambda x: np.sqrt(np.maximum(x, 0)),
}
"""An operation with a table -> its function, which is finite for every number."""

BEYOND = 700.0  # its exponential is far above every float32


def tabled(op: Op, plan: IntegerPlan) -> Table:
    """Return the integer form of exp or of sqrt(max(x, 0)): a table of 256 entries, each rounded once; x has 8 bits."""
    x, to = plan.quantization[op.inputs[0].name], plan.quantization[op.outputs[0].name]
    real = (np.arange(x.low, x.high + 1, dtype=np.float64) - x.zero) * x.scale
    return Table(to.integers(CURVES[op.name](real)), x.low)
