"""Pooling over frequency."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V

POOLS = ("max", "mean")


@cell
@dataclass(frozen=True)
class Pool:
    """The largest number, or the mean, of each window over frequency.

    A frame is (channels, frequencies), in row-major order. Padding is left out of a maximum, and zeros in a mean.
    As in Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    inputs: int
    frequencies: int
    size: int
    stride: int
    padding: int = 0  # at both ends, at most half of the size
    kind: str = "max"

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.kind not in POOLS:
            raise GraphError(f"Pool.kind is '{self.kind}'; there are {', '.join(POOLS)}")
        if self.frequencies < 1 or self.inputs < 1 or self.inputs % self.frequencies:
            raise GraphError(
                f"Pool has {self.inputs} inputs; expected a multiple of its {self.frequencies} frequencies"
            )
        if self.size < 1 or self.stride < 1 or not 0 <= 2 * self.padding <= self.size or self._windows < 1:
            raise GraphError(
                f"Pool takes {self.size} of {self.frequencies} frequencies with stride {self.stride} and padding "
                f"{self.padding}; expected a size of at most all with padding, a stride, and a padding of half the "
                "size at most"
            )

    @property
    def _windows(self) -> int:
        return (self.frequencies + 2 * self.padding - self.size) // self.stride + 1

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(channels * frequencies,) -> (channels * windows,)."""
        index: list[int] = []
        for start in range(0, self.inputs, self.frequencies):
            for window in range(self._windows):
                ats = range(window * self.stride - self.padding, window * self.stride - self.padding + self.size)
                inside = [start + at if 0 <= at < self.frequencies else -1 for at in ats]
                first = max(inside)
                index += [first if at < 0 else at for at in inside] if self.kind == "max" else inside
        windows = ops.gather(ops.reshape(x, 1, self.inputs), self.inputs, index)
        if self.kind == "max":
            y = ops.largest(windows, len(index), self.size)
        else:
            y = ops.scale(ops.sum(windows, len(index), self.size), 1 / self.size)
        return ops.reshape(y, len(index) // self.size, 1), state
