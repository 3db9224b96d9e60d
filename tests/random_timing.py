"""When a value of a random module arrives: strides, padding behind a sequence, and windows without padding."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Timing:
    """The time of a value.

    Attributes:
        every: the frames of the input from one position to the next.
        late: position k arrives in step k + late.
        right: the frames of padding behind the sequence that the last position reads.
        short: the positions that are missing, of windows without padding.
    """

    every: int = 1
    late: int = 0
    right: int = 0
    short: int = 0

    def after(self, window: "Window") -> "Timing":
        """The time of what windows of this value give."""
        reach = (window.size - 1) * window.dilation
        late = -(-(reach - window.left + self.late - window.stride + 1) // window.stride)
        right = self.right + window.right * self.every
        short = self.short + max(0, reach - window.left - window.right - window.stride + 1)
        return Timing(self.every * window.stride, late, right, short)

    def joined(self, other: "Timing") -> "Timing":
        """The time of two values of which the earlier waits for the later."""
        late = max(self.late, other.late)
        right = max(each.right + (late - each.late) * each.every for each in (self, other))
        return replace(self, late=late, right=right)

    def joins(self, other: "Timing") -> bool:
        """Whether values have as many positions."""
        return (self.every, self.short) == (other.every, other.short)

    @property
    def delay(self) -> int:
        """By how many steps the value is late for the padding behind the sequence."""
        return max(0, min(self.late, -(-self.right // self.every)))


@dataclass(frozen=True)
class Window:
    """Windows over time; of one position by default."""

    size: int = 1
    stride: int = 1
    left: int = 0
    right: int = 0
    dilation: int = 1
