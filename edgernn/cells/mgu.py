"""The minimal gated unit: a GRU with one gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Mgu:
    """One layer of minimal gated units with the gate before the recurrent product; the gates are in the order of GATES.

    G. Zhou et al., "Minimal gated unit for recurrent neural networks" (arXiv:1603.09420).
    """

    GATES: ClassVar = ("forget", "new")

    w: Annotated[Tensor, "2 * hidden", "inputs"]
    u: Annotated[Tensor, "hidden", "hidden"]  # of the gate
    v: Annotated[Tensor, "hidden", "hidden"]  # of the candidate, which reads the gated state
    b: Annotated[Tensor | None, "2 * hidden"] = None

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.u.shape[0]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        xf, xn = ops.split(ops.affine(self.w, x, self.b), 2)
        f = ops.sigmoid(xf + ops.affine(self.u, h))
        n = ops.tanh(xn + ops.affine(self.v, f * h))
        h = h + f * (n - h)
        return h, (h,)
