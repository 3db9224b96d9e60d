"""FastGRNN: a gated cell whose two gates share their matrices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class FastGrnn:
    """One FastGRNN layer: the gate and the candidate are the same sum with different biases.

    A. Kusupati et al., "FastGRNN" (arXiv:1901.02358), with matrices of full rank. zeta and nu have one number per unit;
    in the paper, one for all units.
    """

    w: Annotated[Tensor, "hidden", "inputs"]
    u: Annotated[Tensor, "hidden", "hidden"]
    gate: Annotated[Tensor, "hidden"]  # the bias of the gate
    new: Annotated[Tensor, "hidden"]  # the bias of the candidate
    zeta: Annotated[Tensor, "hidden"]
    nu: Annotated[Tensor, "hidden"]

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.u.shape[0]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        a = ops.affine(self.w, x) + ops.affine(self.u, h)
        z = ops.sigmoid(ops.scale(a, 1.0, self.gate))
        n = ops.tanh(ops.scale(a, 1.0, self.new))
        h = ops.scale(ops.scale(z, -1.0, 1.0), self.zeta, self.nu) * n + z * h
        return h, (h,)
