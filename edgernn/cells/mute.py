"""Silence at the beginning of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.errors import GraphError
from edgernn.model.beginning import repeated, started
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Mute:
    """y = 0 for the first frames of a stream, and x from then on.

    A value that is late has no meaning in the first frames. A convolution behind it reads zeros there, as it reads the
    padding of a whole sequence (V. Dumoulin and F. Visin, arXiv:1603.07285).
    """

    inputs: int
    frames: int

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.frames < 1:
            raise GraphError(f"Mute has {self.inputs} inputs and {self.frames} frames; expected at least one of each")

    @property
    def states(self) -> Mapping[str, int]:
        """How many frames have passed, at most `frames`."""
        return {"count": 1}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and count (1,) -> (inputs,)."""
        began, count = started(ops, state[0], self.frames)
        return repeated(ops, began, self.inputs) * x, (count,)
