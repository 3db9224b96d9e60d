"""Values in a traced module, seen as a stream: the layer that computes them, and their time axis."""

from dataclasses import dataclass, replace
from math import prod


@dataclass(frozen=True)
class Value:
    """A tensor of the module; all its axes except time make up one frame, in order.

    Position j on the time axis is step j - lead of the stream. `lead` is above 0 after padding on the left, and below 0
    after a convolution without padding. `time` is None after the last step was taken.
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
        """The number of positions on the time axis; 1 without one."""
        return 1 if self.time is None else self.shape[self.time]

    @property
    def end(self) -> int:
        """The step of the stream after the last position."""
        return self.length - self.lead

    def at(self, shape: tuple[int, ...], time: int | None, lead: int | None = None) -> "Value":
        """Return the same frames in another arrangement."""
        return replace(self, shape=shape, time=time, lead=self.lead if lead is None else lead)

    def of(self, layer: str) -> "Value":
        """Return the value that another layer computes from these frames, at the same steps."""
        return replace(self, layer=layer)


@dataclass(frozen=True)
class Stack:
    """The final hidden states of stacked layers, `h_n`, a value for each; each is the last step of its layer."""

    values: tuple[Value, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Carried:
    """A state after the step that is not an output of its layer: an LSTM's cell state."""

    layers: tuple[str, ...]
    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Incoming:
    """A state that the caller passes in: the example's second and later tensors."""

    position: int
    shape: tuple[int, ...]


Flowing = Value | Stack | Carried | Incoming


@dataclass(frozen=True)
class Counted:
    """A value times a power of the number of frames so far: a running sum over time is the running mean times it."""

    value: Value
    power: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return self.value.shape
