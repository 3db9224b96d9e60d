"""The magnitude of a vector, independent of its direction."""

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
    """y = log(x . x + floor), one value: that of an accelerometer does not depend on how the device is worn.

    A feature cell: no pass quantizes or prunes it. The magnitude as in S. Reddy et al., "Using mobile phones to
    determine transportation modes" (ACM Transactions on Sensor Networks 6, 2010); its logarithm, because no operation
    computes a square root.
    """

    exact: ClassVar[bool] = True

    inputs: int
    floor: float = 1e-6  # in the squared unit of x

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
