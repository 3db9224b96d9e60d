"""An earlier frame."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.newest import newest
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Shift:
    """y[t] = x[t - frames], and zeros before: a delay line (A. Oppenheim and R. Schafer 1989).

    It brings two values together of which one is late. A Delay in its place would take one layer for each frame.
    """

    inputs: int
    frames: int

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.frames < 1:
            raise GraphError(f"Shift has {self.inputs} inputs and {self.frames} frames; expected at least one of each")

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames, oldest first."""
        return {"past": self.frames * self.inputs}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past (frames * inputs,) -> (inputs,)."""
        past = self.states["past"]
        frames, after = newest(ops, x, state, self.inputs, past)
        return ops.split(frames, (self.inputs, past))[0], after
