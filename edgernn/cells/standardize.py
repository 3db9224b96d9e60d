"""Standard scores, the usual first layer of a model of measurements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Standardize:
    """y = (x - mean) / deviation, element by element, with statistics of the training data.

    A feature cell: no pass quantizes or prunes it. The z-score, as in scikit-learn's `StandardScaler`.
    """

    exact: ClassVar[bool] = True

    mean: Annotated[Tensor, "inputs"]
    deviation: Annotated[Tensor, "inputs"]

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if not (self.deviation.stored > 0).all():
            raise GraphError(
                "Standardize has a deviation that is not above 0; drop the constant column, or use 1 for it"
            )

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (inputs,)."""
        by = 1 / self.deviation.stored
        return ops.scale(x, Tensor(by), Tensor(-self.mean.stored * by)), state
