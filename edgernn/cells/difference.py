"""The change of measurements since the last frame, beside the measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Difference:
    """y = (x, by * (x - last x)), the change of the first elements only; 0 at the first frame.

    A feature cell: no pass quantizes or prunes it. The first difference of G. Box and G. Jenkins, "Time Series
    Analysis: Forecasting and Control" (1970).
    """

    exact: ClassVar[bool] = True

    inputs: int
    by: Annotated[Tensor, "changes"]  # a factor for each of the first elements whose change is computed

    def __post_init__(self) -> None:
        if not 1 <= self.by.shape[0] <= self.inputs:
            raise GraphError(
                f"Difference has {self.inputs} inputs and factors for {self.by.shape[0]}; expected factors for 1 to all"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The last values, and for each 1 once a frame was seen, else 0."""
        return {"last": self.by.shape[0], "seen": self.by.shape[0]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), last (changes,) and seen (changes,) -> (inputs + changes,)."""
        last, seen = state
        changes = self.by.shape[0]
        value = ops.split(x, (changes, self.inputs - changes))[0] if changes < self.inputs else x
        change = ops.scale(seen * (value - last), self.by)
        ones = Tensor(np.ones(changes, np.float32))
        return ops.concat(x, change), (value, ops.scale(seen, 0.0, ones))
