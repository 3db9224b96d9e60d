"""A nonlinearity as a layer of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.curves import CURVES
from edgernn.model.ops import Ops, V

FUNCTIONS = ("relu", "tanh", "sigmoid", "softmax", "log", "exp", "sqrt", *CURVES)


@cell
@dataclass(frozen=True)
class Activation:
    """One of FUNCTIONS, applied to an input of any width.

    All but softmax are element by element; edgernn.model.curves has the compositions. relu: V. Nair and
    G. Hinton (ICML 2010); softmax: J. Bridle (1990), over the whole frame.
    """

    function: str

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise GraphError(f"Activation has no function '{self.function}'; there are {', '.join(FUNCTIONS)}")

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(width,) -> (width,)."""
        curve = CURVES.get(self.function)
        y: V = getattr(ops, self.function)(x) if curve is None else curve(ops, x)
        return y, state
