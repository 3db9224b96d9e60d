"""Evaluating budgets on millions of responses: as edgernn.budget.verdict, on an array instead of a list."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgernn.budget.bursts import BLOCKS, FEW, cluster_size, dispersion
from edgernn.budget.verdict import Budget, BudgetEvaluation, evaluate_sorted, passing_budget

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Responses:
    """Float64 (steps,), in microseconds, in the order of the steps; at least one."""

    us: Array

    @cached_property
    def ordered(self) -> Array:
        """The responses, ascending."""
        return np.sort(self.us)

    def evaluate(self, budget: Budget) -> BudgetEvaluation:
        """As edgernn.budget.verdict.evaluate."""
        missed = self.us > budget.deadline_us
        longest, factor = _longest_run(missed), _dependence(missed)
        return evaluate_sorted(self.ordered, int(missed.sum()), longest, factor, budget)  # type: ignore[arg-type]

    def passing_budget(self, budget: Budget) -> tuple[float | None, float | None]:
        """As edgernn.budget.verdict.passing_budget."""
        return passing_budget(self.ordered, budget, self.evaluate)  # type: ignore[arg-type]


def _longest_run(missed: NDArray[np.bool_]) -> int:
    ends = np.flatnonzero(~np.concatenate([[False], missed, [False]]))
    return int(np.diff(ends).max()) - 1


def _dependence(missed: NDArray[np.bool_]) -> float:
    """As edgernn.budget.bursts.dependence."""
    positions = np.flatnonzero(missed)
    if len(positions) < FEW:
        return cluster_size(positions.tolist(), len(missed))
    length = len(missed) // BLOCKS
    return dispersion(missed[: length * BLOCKS].reshape(BLOCKS, length).sum(axis=1).tolist(), length)
