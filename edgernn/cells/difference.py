"""How far measurements moved since the last frame, beside the measurements themselves."""

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
    """x, and then by * (x - the last x) for the first elements; 0 for the first frame, which has no last.

    A feature cell: no pass quantizes or prunes it. The first difference of G. Box and G. Jenkins, "Time Series
    Analysis: Forecasting and Control" (1970).
    """

    EXACT: ClassVar = True

    inputs: int
    by: Annotated[Tensor, "changes"]  # one for each element, from the first on, whose change is wanted

    def __post_init__(self) -> None:
        if not 1 <= self.by.shape[0] <= self.inputs:
            raise GraphError(
                f"Difference has {self.inputs} inputs and wants the change of {self.by.shape[0]}; expected one to all"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The last values, and for each whether there are any: 0 or 1."""
        return {"last": self.by.shape[0], "seen": self.by.shape[0]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), last (changes,) and seen (changes,) -> (inputs + changes,)."""
        last, seen = state
        changes = self.by.shape[0]
        value = ops.split(x, (changes, self.inputs - changes))[0] if changes < self.inputs else x
        change = ops.scale(seen * (value - last), self.by)
        ones = Tensor(np.ones(changes, np.float32))
        return ops.concat(x, change), (value, ops.scale(seen, 0.0, ones))
