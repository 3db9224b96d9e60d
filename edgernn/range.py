"""A range: the smallest and the largest number that a value of the step is known to take."""

from dataclasses import dataclass
from math import isfinite

from edgernn.errors import GraphError


@dataclass(frozen=True)
class Range:
    """From low to high, both included.

    Raises:
        GraphError: an end that is not finite, or low above high.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if not (isfinite(self.low) and isfinite(self.high) and self.low <= self.high):
            raise GraphError(f"a range from {self.low:g} to {self.high:g} arrived; expected finite, low <= high")

    def __or__(self, other: "Range") -> "Range":
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def size(self) -> float:
        """The largest magnitude in it."""
        return max(abs(self.low), abs(self.high))
