"""Long short-term memory whose gates see the cell state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class LstmPeephole:
    """One LSTM layer with peepholes, with a bound of its cell state, or both; the gates are in the order of GATES.

    F. Gers and J. Schmidhuber, "Recurrent nets that time and count" (IJCNN 2000), as ONNX with input `P`: the input and
    the forget gate see the cell state before the step, the output gate that after it. Projection as in Lstm.
    A bound is that of TFLite's `cell_clip`: the cell state stays between -clip and clip.
    """

    GATES: ClassVar = ("input", "forget", "cell", "output")

    w: Annotated[Tensor, "4 * hidden", "inputs"]
    u: Annotated[Tensor, "4 * hidden", "outputs"]  # outputs = hidden without a projection
    i: Annotated[Tensor | None, "hidden"] = None  # the peephole of the input gate
    f: Annotated[Tensor | None, "hidden"] = None  # of the forget gate
    o: Annotated[Tensor | None, "hidden"] = None  # of the output gate
    b: Annotated[Tensor | None, "4 * hidden"] = None
    p: Annotated[Tensor | None, "outputs", "hidden"] = None
    clip: float = 0.0  # the bound; 0 for none

    def __post_init__(self) -> None:
        if not self.clip >= 0:
            raise GraphError(f"{type(self).__name__}.clip is {self.clip}; expected a bound above 0, or 0 for none")

    @property
    def states(self) -> Mapping[str, int]:
        """The output `h` and the cell state `c`."""
        return {"h": self.u.shape[1], "c": self.u.shape[0] // 4}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), h (outputs,) and c (hidden,) -> h (outputs,)."""
        h, c = state
        i, f, g, o = ops.split(ops.affine(self.w, x, self.b) + ops.affine(self.u, h), 4)
        i, f = ops.sigmoid(_seeing(ops, i, c, self.i)), ops.sigmoid(_seeing(ops, f, c, self.f))
        c = f * c + i * ops.tanh(g)
        if self.clip:
            above, below = ops.relu(ops.scale(c, 1.0, -self.clip)), ops.relu(ops.scale(c, -1.0, -self.clip))
            c = c - above + below
        h = ops.sigmoid(_seeing(ops, o, c, self.o)) * ops.tanh(c)
        if self.p is not None:
            h = ops.affine(self.p, h)
        return h, (h, c)


def _seeing(ops: Ops[V], gate: V, c: V, peephole: Tensor | None) -> V:
    """Return the sums of a gate, (hidden,), with what it sees of the cell state c, (hidden,)."""
    return gate if peephole is None else gate + ops.scale(c, peephole)


@cell
@dataclass(frozen=True)
class LstmPeepholeStep(LstmPeephole):
    """One step of LstmPeephole from states that other layers compute (Gers and Schmidhuber 2000)."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V, c: V) -> V:
        """(inputs,), h (outputs,) and c (hidden,) -> h and c (outputs + hidden,)."""
        return ops.concat(*self.step(ops, x, (h, c))[1])
