"""What flows through a traced module, seen as a stream: which layer makes it, and where its time is."""

from dataclasses import dataclass, replace
from math import prod


@dataclass(frozen=True)
class Value:
    """A tensor of the module, all of whose axes but time are one frame, in order.

    Position j on the time axis is step j - lead of the stream: above 0 after padding on the left, below 0 after a
    convolution without padding. `time` is None once the last step was taken.
    """

    layer: str
    shape: tuple[int, ...]
    time: int | None
    lead: int = 0

    @property
    def width(self) -> int:
        """The number of elements per step."""
        return prod(self.shape) // self.length

    @property
    def length(self) -> int:
        """The positions on the time axis; 1 when there is none."""
        return 1 if self.time is None else self.shape[self.time]

    @property
    def end(self) -> int:
        """The step of the stream after the last position."""
        return self.length - self.lead

    def at(self, shape: tuple[int, ...], time: int | None, lead: int | None = None) -> "Value":
        """The same frames in another arrangement."""
        return replace(self, shape=shape, time=time, lead=self.lead if lead is None else lead)

    def of(self, layer: str) -> "Value":
        """What another layer makes of these frames, at the same steps."""
        return replace(self, layer=layer)


@dataclass(frozen=True)
class Stack:
    """The final hidden states of stacked layers, `h_n`, one value for each; usable as the last step of each."""

    values: tuple[Value, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Carried:
    """A state after the step that is not also an output: an LSTM's cell state."""

    layers: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Incoming:
    """A state that the caller passes in: the example's second and later tensors."""

    position: int
    shape: tuple[int, ...]


Flowing = Value | Stack | Carried | Incoming
