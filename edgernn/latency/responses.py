"""The responses of a long run in an array: judged as edgernn.budget judges a list, for millions of steps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgernn.budget import BLOCKS, FEW, Budget, Judgement, at, judgement, passing, spread

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Responses:
    """Float64 (steps,), in microseconds, in the order of the steps; one at least."""

    us: Array

    @cached_property
    def ordered(self) -> Array:
        """The same in their order of size."""
        return np.sort(self.us)

    def judge(self, budget: Budget) -> Judgement:
        """As edgernn.budget.judge."""
        late = self.us > budget.deadline_us
        misses = int(late.sum())
        slow = late if misses >= FEW else self.us > at(self.ordered, 95)  # type: ignore[arg-type]
        return judgement(self.ordered, misses, _in_a_row(late), _dependence(slow), budget)  # type: ignore[arg-type]

    def passing(self, budget: Budget) -> tuple[float | None, float | None]:
        """As edgernn.budget.passing."""
        return passing(self.ordered, budget, self.judge)  # type: ignore[arg-type]


def _in_a_row(late: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(~np.concatenate([[False], late, [False]]))
    return int(np.diff(ends).max()) - 1


def _dependence(slow: NDArray[np.bool_]) -> float:
    length = len(slow) // BLOCKS
    counts = slow[: length * BLOCKS].reshape(BLOCKS, length).sum(axis=1)
    return spread(counts.tolist(), length)
