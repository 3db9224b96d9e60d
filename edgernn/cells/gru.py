"""The gated recurrent unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Gru:
    """One GRU layer with the reset gate after the recurrent product; the gates are in the order of GATES.

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder" (arXiv:1406.1078), in the form of cuDNN
    and `torch.nn.GRU`: the reset gate multiplies the bias `c` of the new gate, so `b` and `c` cannot be summed.
    """

    GATES: ClassVar = ("reset", "update", "new")

    w: Annotated[Tensor, "3 * hidden", "inputs"]
    u: Annotated[Tensor, "3 * hidden", "hidden"]
    b: Annotated[Tensor | None, "3 * hidden"] = None  # added to w @ x
    c: Annotated[Tensor | None, "3 * hidden"] = None  # added to u @ h, before the reset gate multiplies it

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.u.shape[1]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        xr, xz, xn = ops.split(ops.affine(self.w, x, self.b), 3)
        hr, hz, hn = ops.split(ops.affine(self.u, h, self.c), 3)
        r, z = ops.sigmoid(xr + hr), ops.sigmoid(xz + hz)
        n = ops.tanh(xn + r * hn)
        h = n + z * (h - n)
        return h, (h,)


@cell
@dataclass(frozen=True)
class GruStep(Gru):
    """One step of Gru from a state that another layer computes (Cho et al. 2014, in the form of cuDNN)."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V) -> V:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        return self.step(ops, x, (h,))[0]
