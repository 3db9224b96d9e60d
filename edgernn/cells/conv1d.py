"""Causal convolution over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.newest import newest
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Conv1d:
    """A convolution over the newest frames: y[t] = b + sum over k of w_k x[t - age - (kernel - 1 - k) dilation].

    With a stride it reads so many frames in a step, and t is the last of them. The state is the past frames, oldest
    first. Its initial zeros are the zero padding on the left of `torch.nn.Conv1d`. Causal and dilated as in A. van den
    Oord et al., "WaveNet" (arXiv:1609.03499).
    """

    kernel: int  # number of taps
    w: Annotated[Tensor, "outputs", "kernel * channels"]  # tap by tap, oldest first
    b: Annotated[Tensor | None, "outputs"] = None
    dilation: int = 1  # frames from one tap to the next
    stride: int = 1  # frames from one output to the next
    age: int = 0  # frames of the step behind the last tap

    def __post_init__(self) -> None:
        least = {"kernel": 1, "dilation": 1, "stride": 1, "age": 0}
        if any(getattr(self, name) < smallest for name, smallest in least.items()) or self._frames < 2:
            raise GraphError(
                f"Conv1d has kernel {self.kernel}, dilation {self.dilation}, stride {self.stride} and age {self.age}; "
                "expected at least 1 of the first three, an age of at least 0, and two frames in all: a Dense reads one"
            )

    @property
    def channels(self) -> int:
        """The width of one frame."""
        return self.w.shape[1] // self.kernel

    @property
    def inputs(self) -> int:
        """The width of the frames of one step."""
        return self.stride * self.channels

    @property
    def _reach(self) -> int:
        """From the first tap to the last frame of a step, in frames."""
        return (self.kernel - 1) * self.dilation + 1 + self.age

    @property
    def _frames(self) -> int:
        """The frames of a step and those before them that a later step reads."""
        return max(self._reach, self.stride)

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames that a later step reads."""
        past = (self._frames - self.stride) * self.channels
        return {"past": past} if past else {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(stride * channels,) and the past frames -> (outputs,)."""
        frames, after = newest(ops, x, state, self.inputs, self.states.get("past", 0))
        sizes = (self._frames - self._reach, *self._taps, self.age)
        return ops.affine(self.w, _every_second(ops, frames, [size * self.channels for size in sizes]), self.b), after

    @property
    def _taps(self) -> tuple[int, ...]:
        """The frames that taps read, and those between them in turn."""
        return (self.kernel,) if self.dilation == 1 else (1, *(self.dilation - 1, 1) * (self.kernel - 1))


def _every_second(ops: Ops[V], frames: V, sizes: list[int]) -> V:
    """Split a value into parts of these sizes, some of which may be 0, and join the second, the fourth and so on."""
    parts = iter(ops.split(frames, [size for size in sizes if size]))
    kept = [next(parts) if size else None for size in sizes]
    return ops.concat(*(each for each in kept[1::2] if each is not None))
