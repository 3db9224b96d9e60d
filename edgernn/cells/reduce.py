"""Sums, means and extremes over an inner axis of a frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V

KINDS = ("sum", "mean", "max")


@cell
@dataclass(frozen=True)
class Reduce:
    """The sum, the mean or the largest number over the middle axis of a frame (outer, size, inner), in row-major order.

    The axis of `numpy.sum` and its like (C. Harris et al., "Array programming with NumPy", Nature 585, 2020).
    """

    inputs: int
    size: int
    inner: int = 1  # how many neighbours stay apart
    kind: str = "sum"

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise GraphError(f"Reduce.kind is '{self.kind}'; there are {', '.join(KINDS)}")
        if min(self.inputs, self.size, self.inner) < 1 or self.inputs % (self.size * self.inner):
            raise GraphError(
                f"Reduce has {self.inputs} inputs; expected a multiple of its size {self.size} times {self.inner} "
                "inner elements"
            )

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(outer * size * inner,) -> (outer * inner,)."""
        rows = self.inputs // self.inner
        reduce = ops.largest if self.kind == "max" else ops.sum
        y = ops.reshape(reduce(ops.reshape(x, 1, rows), rows, self.size), rows // self.size, 1)
        return ops.scale(y, 1 / self.size) if self.kind == "mean" else y, state
