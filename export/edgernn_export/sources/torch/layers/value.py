"""Values in a traced module, seen as a stream: the layer that computes them, and their time axis."""

from dataclasses import dataclass, replace
from math import prod


@dataclass(frozen=True)
class Value:
    """A tensor of the module; all its axes except time make up one frame, in order.

    Attributes:
        layer: that computes it.
        shape: of the tensor.
        time: its time axis; None after the last step was taken.
        lead: position j on the time axis is step j - lead of the stream. It is above 0 after padding on the left, and
            below 0 after a layer that reads frames behind the position.
        every: how many frames of the input lie between two positions: the product of the strides so far.
        right: how many frames behind the end of the sequence the last position reads, where the module has padding.
    """

    layer: str
    shape: tuple[int, ...]
    time: int | None
    lead: int = 0
    every: int = 1
    right: int = 0

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

    @property
    def delay(self) -> int:
        """By how many steps it is late, since it reads frames of the future."""
        return max(0, min(-self.lead, -(-self.right // self.every)))

    def at(self, shape: tuple[int, ...], time: int | None, lead: int | None = None) -> "Value":
        """Return the same frames in another arrangement."""
        return replace(self, shape=shape, time=time, lead=self.lead if lead is None else lead)

    def of(self, layer: str) -> "Value":
        """Return the value that another layer computes from these frames, at the same steps."""
        return replace(self, layer=layer)


@dataclass(frozen=True)
class Stack:
    """The final hidden states of stacked layers, `h_n`, a value for each; each is the last step of its layer.

    Of layers that run over parts of a frame, each is that of the last part, at every step.
    """

    values: tuple[Value, ...]
    shape: tuple[int, ...]

    @property
    def time(self) -> int | None:
        """The time axis of the stack."""
        own = self.values[0].time
        return None if own is None else own + 1


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
class Complex:
    """A complex value: its real and imaginary parts, which have its shape."""

    re: Value
    im: Value

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return self.re.shape


@dataclass(frozen=True)
class Counted:
    """A value times a power of the number of frames so far: a running sum over time is the running mean times it."""

    value: Value
    power: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return self.value.shape
