"""A range: the smallest and the largest number that a value of the step is known to take."""

from dataclasses import dataclass

from edgernn.errors import GraphError

LARGEST = float.fromhex("0x1.fffffep127")  # of float32


@dataclass(frozen=True)
class Range:
    """From low to high, both included.

    Attributes:
        low, high: of all elements of the value.
        columns: the same of each element, where it is what the first matrices of a model read; else nothing.

    Raises:
        GraphError: an end that is not finite in float32, or low above high.
    """

    low: float
    high: float
    columns: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "columns", tuple((float(low), float(high)) for low, high in self.columns))
        if not all(-LARGEST <= low <= high <= LARGEST for low, high in self.columns):
            raise GraphError("a range with a column that has no finite low <= high in float32 arrived")
        if not -LARGEST <= self.low <= self.high <= LARGEST:
            raise GraphError(
                f"a range from {self.low:g} to {self.high:g} arrived; expected finite, low <= high, in float32"
            )

    def __or__(self, other: "Range") -> "Range":
        """The smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def size(self) -> float:
        """The largest magnitude in it."""
        return max(abs(self.low), abs(self.high))
