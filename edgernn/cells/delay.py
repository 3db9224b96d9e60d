"""A delay of one step, through which any layer can be fed back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Delay:
    """y is x of the step before: the unit delay z^-1 (Oppenheim and Schafer 1989).

    It may read a later layer, or itself: a recurrence that no other cell carries is layers, and a delay from the last
    of them to the first.
    """

    delays: ClassVar[bool] = True

    inputs: int

    @property
    def states(self) -> Mapping[str, int]:
        """The value of the step before."""
        return {"past": self.inputs}

    def step(self, _ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past (inputs,) -> past (inputs,)."""
        (past,) = state
        return past, (x,)
