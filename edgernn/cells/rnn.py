"""The plain recurrent network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V, activate
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Rnn:
    """One Elman layer: h = tanh(w x + u h + b), or relu in place of tanh.

    J. Elman, "Finding structure in time" (Cognitive Science 14, 1990); relu: Q. Le et al. (arXiv:1504.00941).
    """

    w: Annotated[Tensor, "hidden", "inputs"]
    u: Annotated[Tensor, "hidden", "hidden"]
    b: Annotated[Tensor | None, "hidden"] = None
    activation: str = "tanh"

    def __post_init__(self) -> None:
        if self.activation not in {"tanh", "relu"}:
            raise GraphError(f"Rnn has no activation '{self.activation}'; there are 'tanh' and 'relu'")

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.u.shape[1]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        h = activate(ops, self.activation, ops.affine(self.w, x, self.b) + ops.affine(self.u, h))
        return h, (h,)


@cell
@dataclass(frozen=True)
class RnnStep(Rnn):
    """One step of Rnn from a state that another layer computes (Elman 1990)."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V) -> V:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        return self.step(ops, x, (h,))[0]
