"""A dead band: small changes of an input do not pass."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Deadband:
    """y = x where it differs from the last y by more than a threshold, else the last y: send-on-delta sampling.

    M. Miskowicz, "Send-on-delta concept: an event-based data reporting strategy", Sensors 6 (2006).
    """

    inputs: int
    threshold: float

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.threshold < 0:
            raise GraphError(
                f"Deadband has {self.inputs} inputs and the threshold {self.threshold}; expected at least one input, "
                "and at least 0"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The last output."""
        return {"last": self.inputs}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and last (inputs,) -> (inputs,)."""
        y = ops.hold(x, state[0], self.threshold)
        return y, (y,)
