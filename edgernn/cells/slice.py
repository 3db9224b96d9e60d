"""A range of the elements of a frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Slice:
    """y = x[start:stop], a half-open range as in Python and numpy."""

    inputs: int
    start: int
    stop: int

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop <= self.inputs:
            raise GraphError(
                f"Slice takes {self.start}:{self.stop} of {self.inputs} values; expected 0 <= start < stop <= inputs"
            )

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (stop - start,)."""
        sizes = (self.start, self.stop - self.start, self.inputs - self.stop)
        parts = ops.split(x, [size for size in sizes if size])
        return parts[1 if self.start else 0], state
