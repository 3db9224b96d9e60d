"""A nonlinearity on its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V

KINDS = ("relu", "tanh", "sigmoid", "softmax", "log")


@cell
@dataclass(frozen=True)
class Activation:
    """One of KINDS, on a value of any width.

    relu by V. Nair and G. Hinton (ICML 2010); softmax by J. Bridle (1990), over the whole frame.
    """

    kind: str

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise GraphError(f"Activation has no kind '{self.kind}'; there are {', '.join(KINDS)}")

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(any width,) -> (the same,)."""
        y: V = getattr(ops, self.kind)(x)
        return y, state
