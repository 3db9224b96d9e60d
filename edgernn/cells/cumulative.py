"""Statistics of all frames so far: the cumulative mean and the running maximum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class CumulativeMean:
    """y is the mean of the frames so far: m += (x - m) / n, where n counts them.

    A feature cell: no pass quantizes or prunes it. A running sum would lose the frames as it grows; the mean does not.
    The count stays at 2^24 in float32, after 46 hours of frames of 10 ms, and the mean is exponential from there. B.
    Welford, "Note on a method for calculating corrected sums of squares and products" (Technometrics 4, 1962).
    """

    exact: ClassVar[bool] = True

    inputs: int

    @property
    def states(self) -> Mapping[str, int]:
        """The mean, and the number of frames in it."""
        return {"mean": self.inputs, "seen": 1}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), mean (inputs,) and seen (1,) -> mean (inputs,)."""
        m, seen = state
        seen = ops.scale(seen, 1.0, 1.0)
        m = m + ops.divide(x - m, _spread(ops, seen, self.inputs))
        return m, (m, seen)


@cell
@dataclass(frozen=True)
class RunningMaximum:
    """y is the largest number of each element in the frames so far.

    A feature cell: no pass quantizes or prunes it. As the scan of K. Iverson, "A Programming Language" (1962).
    """

    exact: ClassVar[bool] = True

    inputs: int

    @property
    def states(self) -> Mapping[str, int]:
        """The largest numbers, and 1 once a frame was seen, else 0."""
        return {"largest": self.inputs, "seen": 1}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), largest (inputs,) and seen (1,) -> largest (inputs,)."""
        largest, seen = state
        known = _spread(ops, seen, self.inputs)
        largest = ops.maximum(known * largest + ops.scale(known, -1.0, 1.0) * x, x)
        return largest, (largest, ops.scale(seen, 0.0, 1.0))


def _spread(ops: Ops[V], x: V, width: int) -> V:
    """Repeat one number to this width."""
    return ops.reshape(ops.gather(x, 1, (0,) * width), width, 1)
