"""A factor and an offset for each element."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Scale:
    """y = by * x + plus: a batch normalization at inference, or constants in the arithmetic of a model.

    S. Ioffe and C. Szegedy, "Batch normalization" (arXiv:1502.03167), folded into two constants.
    """

    by: Annotated[Tensor, "inputs"]
    plus: Annotated[Tensor, "inputs"]

    states: ClassVar[Mapping[str, int]] = {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (inputs,)."""
        return ops.scale(x, self.by, self.plus), state
