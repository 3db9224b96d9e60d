"""Elements of a frame by an index."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import LARGEST, cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Gather:
    """y[i] = x[index[i]], or 0 where the index is -1: permutations of axes, ranges of an inner axis, padding.

    The shuffle of channels in X. Zhang et al., "ShuffleNet" (arXiv:1707.01083), is one.
    """

    inputs: int
    index: tuple[int, ...]

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        index: Any = self.index
        valid = isinstance(index, tuple | list) and 1 <= len(index) <= LARGEST
        if self.inputs < 1 or not valid or not all(type(at) is int and -1 <= at < self.inputs for at in index):
            raise GraphError(f"Gather has an index that is not of whole numbers from -1 to {self.inputs - 1}")
        object.__setattr__(self, "index", tuple(index))

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (length of the index,)."""
        width = self._width()
        rows = [at if at < 0 else at // width for at in self.index[::width]]
        before = self.inputs // width
        return ops.reshape(ops.gather(ops.reshape(x, 1, before), before, rows), len(rows), 1), state

    def _width(self) -> int:
        """Return the largest number of neighbours that stay together everywhere."""
        together = gcd(self.inputs, len(self.index))
        return next(width for width in range(together, 0, -1) if together % width == 0 and self._moves(width))

    def _moves(self, width: int) -> bool:
        """Return whether the index consists of whole blocks of this width."""
        for start in range(0, len(self.index), width):
            first = self.index[start]
            expected = (-1,) * width if first < 0 else tuple(range(first, first + width))
            if self.index[start : start + width] != expected or (first >= 0 and first % width):
                return False
        return True
