"""The responses of a long run in an array: judged as edgernn.budget.verdict judges a list, for millions of steps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgernn.budget.bursts import BLOCKS, FEW, cluster_size, dispersion
from edgernn.budget.verdict import Budget, Evaluation, judgement, passing

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Responses:
    """Float64 (steps,), in microseconds, in the order of the steps; one at least."""

    us: Array

    @cached_property
    def ordered(self) -> Array:
        """The same in their order of size."""
        return np.sort(self.us)

    def evaluate(self, budget: Budget) -> Evaluation:
        """As edgernn.budget.verdict.judge."""
        late = self.us > budget.deadline_us
        return judgement(self.ordered, int(late.sum()), _in_a_row(late), _dependence(late), budget)  # type: ignore[arg-type]

    def passing(self, budget: Budget) -> tuple[float | None, float | None]:
        """As edgernn.budget.verdict.passing."""
        return passing(self.ordered, budget, self.evaluate)  # type: ignore[arg-type]


def _in_a_row(late: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(~np.concatenate([[False], late, [False]]))
    return int(np.diff(ends).max()) - 1


def _dependence(late: NDArray[np.bool_]) -> float:
    """As edgernn.budget.bursts.dependence."""
    positions = np.flatnonzero(late)
    if len(positions) < FEW:
        return cluster_size(positions.tolist(), len(late))
    length = len(late) // BLOCKS
    return dispersion(late[: length * BLOCKS].reshape(BLOCKS, length).sum(axis=1).tolist(), length)
