"""Long short-term memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Lstm:
    """One LSTM layer, with a projection of its output if it has `p`; the gates are in the order of GATES.

    S. Hochreiter and J. Schmidhuber, "Long short-term memory" (Neural Computation 9, 1997), with the forget gate of
    F. Gers et al. (2000) and without peepholes, as `torch.nn.LSTM`. Projection: H. Sak et al. (arXiv:1402.1128).
    """

    GATES: ClassVar = ("input", "forget", "cell", "output")

    w: Annotated[Tensor, "4 * hidden", "inputs"]
    u: Annotated[Tensor, "4 * hidden", "outputs"]  # outputs = hidden without a projection
    b: Annotated[Tensor | None, "4 * hidden"] = None
    p: Annotated[Tensor | None, "outputs", "hidden"] = None

    @property
    def states(self) -> Mapping[str, int]:
        """The output `h` and the cell state `c`."""
        return {"h": self.u.shape[1], "c": self.u.shape[0] // 4}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), h (outputs,) and c (hidden,) -> h (outputs,)."""
        h, c = state
        gates = ops.affine(self.w, x, self.b) + ops.affine(self.u, h)
        i, f, g, o = ops.split(gates, 4)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        if self.p is not None:
            h = ops.affine(self.p, h)
        return h, (h, c)


@cell
@dataclass(frozen=True)
class LstmStep(Lstm):
    """One step of Lstm from states that other layers compute (Hochreiter and Schmidhuber 1997)."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V, c: V) -> V:
        """(inputs,), h (outputs,) and c (hidden,) -> h and c (outputs + hidden,)."""
        return ops.concat(*self.step(ops, x, (h, c))[1])
