"""The fully connected layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import ACTIVATIONS, Ops, V, activate
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Dense:
    """y = activation(w x + b): `torch.nn.Linear` followed by one of edgernn.model.ops.ACTIVATIONS.

    F. Rosenblatt, "The perceptron" (Psychological Review 65, 1958); softmax by J. Bridle (1990).
    """

    w: Annotated[Tensor, "outputs", "inputs"]
    b: Annotated[Tensor | None, "outputs"] = None
    activation: str = "linear"

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise GraphError(f"Dense has no activation '{self.activation}'; there are {', '.join(ACTIVATIONS)}")

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (outputs,)."""
        return activate(ops, self.activation, ops.affine(self.w, x, self.b)), state
