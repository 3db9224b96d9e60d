"""The length of a vector, whichever way it points."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class LogMagnitude:
    """log(x . x + floor), one value: an accelerometer says it alike however it is worn.

    A feature cell: no pass quantizes or prunes it. The magnitude as in S. Reddy et al., "Using mobile phones to
    determine transportation modes" (ACM Transactions on Sensor Networks 6, 2010); its logarithm, since no word takes a
    root.
    """

    EXACT: ClassVar = True

    inputs: int
    floor: float = 1e-6  # in the unit of x, squared

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if not (self.inputs >= 1 and 0 < self.floor < float("inf")):
            raise GraphError(
                f"LogMagnitude has {self.inputs} inputs and a floor of {self.floor}; expected one at least, and above 0"
            )

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (1,)."""
        square = ops.affine(Tensor(np.ones((1, self.inputs), np.float32)), x * x)
        return ops.log(ops.scale(square, 1.0, self.floor)), state
