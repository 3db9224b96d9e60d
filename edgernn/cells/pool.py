"""Pooling over frequency and time."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.newest import newest
from edgernn.model.ops import Ops, V

POOLS = ("max", "mean")


@cell
@dataclass(frozen=True)
class Pool:
    """The largest number, or the mean, of each window over frequency and over the newest frames.

    A frame is (channels, frequencies), in row-major order. Padding is left out of a maximum, and zeros in a mean. The
    state is the past frames, oldest first; it begins with zeros.
    As in Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    """

    channels: int
    frequencies: int
    size: int
    stride: int
    padding: int = 0  # at both ends, at most half of the size
    kind: str = "max"
    frames: int = 1  # of a window
    frame_stride: int = 1  # frames from one output to the next, which arrive together
    age: int = 0  # frames of the step behind the window

    def __post_init__(self) -> None:
        if self.kind not in POOLS:
            raise GraphError(f"Pool.kind is '{self.kind}'; there are {', '.join(POOLS)}")
        least = {"channels": 1, "frequencies": 1, "frames": 1, "frame_stride": 1, "age": 0}
        for field, smallest in least.items():
            if getattr(self, field) < smallest:
                raise GraphError(f"Pool.{field} is {getattr(self, field)}; expected at least {smallest}")
        if self.size < 1 or self.stride < 1 or not 0 <= 2 * self.padding <= self.size or self._windows < 1:
            raise GraphError(
                f"Pool takes {self.size} of {self.frequencies} frequencies with stride {self.stride} and padding "
                f"{self.padding}; expected a size of at most all with padding, a stride, and a padding of half the "
                "size at most"
            )

    @property
    def _windows(self) -> int:
        return (self.frequencies + 2 * self.padding - self.size) // self.stride + 1

    @property
    def _count(self) -> int:
        """The frames of a step and those before them that a later step reads."""
        return max(self.frames + self.age, self.frame_stride)

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames that a later step reads."""
        past = (self._count - self.frame_stride) * self.channels * self.frequencies
        return {"past": past} if past else {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(frame_stride * channels * frequencies,) and the past frames -> (channels * windows,)."""
        frame = self.channels * self.frequencies
        frames, after = newest(ops, x, state, self.frame_stride * frame, self.states.get("past", 0))
        index = [
            at
            for channel in range(self.channels)
            for window in range(self._windows)
            for at in self._window(channel, window)
        ]
        elements, size = self._count * frame, self.frames * self.size
        windows = ops.gather(ops.reshape(frames, 1, elements), elements, index)
        if self.kind == "max":
            y = ops.largest(windows, len(index), size)
        else:
            y = ops.scale(ops.sum(windows, len(index), size), 1 / size)
        return ops.reshape(y, len(index) // size, 1), after

    def _window(self, channel: int, window: int) -> list[int]:
        """Return the elements of a window, frame by frame."""
        first = self._count - self.frames - self.age
        index: list[int] = []
        for frame in range(first, first + self.frames):
            start = (frame * self.channels + channel) * self.frequencies
            ats = range(window * self.stride - self.padding, window * self.stride - self.padding + self.size)
            inside = [start + at if 0 <= at < self.frequencies else -1 for at in ats]
            some = max(inside)
            index += [some if at < 0 else at for at in inside] if self.kind == "max" else inside
        return index
