"""The range of a value of a step: the smallest and the largest number that it takes."""

from dataclasses import dataclass

from edgernn.errors import GraphError

LARGEST = float.fromhex("0x1.fffffep127")  # of float32


@dataclass(frozen=True)
class Range:
    """A closed interval, from low to high.

    Attributes:
        low, high: the range of all elements of the value.
        columns: (low, high) of each element, for the value that the first matrices of a model read; else empty.

    Raises:
        GraphError: an end is not finite in float32, or low is above high.
    """

    low: float
    high: float
    columns: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        object.__setattr__(self, "columns", tuple((float(low), float(high)) for low, high in self.columns))
        if not all(-LARGEST <= low <= high <= LARGEST for low, high in self.columns):
            raise GraphError("a range with a column arrived whose ends are not finite in float32 with low <= high")
        if not -LARGEST <= self.low <= self.high <= LARGEST:
            raise GraphError(
                f"a range from {self.low:g} to {self.high:g} arrived; expected finite, low <= high, in float32"
            )

    def __or__(self, other: "Range") -> "Range":
        """Return the smallest range that contains both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    @property
    def size(self) -> float:
        """The largest magnitude in the range."""
        return max(abs(self.low), abs(self.high))
