"""The gated recurrent unit with the reset gate before the recurrent product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V, activate
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class GruResetBefore:
    """One GRU layer with the reset gate before the recurrent product; the gates are in the order of GATES.

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder" (arXiv:1406.1078, version 3), as Keras
    with `reset_after=False` and ONNX with `linear_before_reset=0`. Its two biases are always summed, so it has one.
    With relu for the new state it is the layer of RNNoise (J.-M. Valin, arXiv:1709.08243).
    """

    GATES: ClassVar = ("reset", "update", "new")

    w: Annotated[Tensor, "3 * hidden", "inputs"]
    u: Annotated[Tensor, "2 * hidden", "hidden"]  # of both gates
    v: Annotated[Tensor, "hidden", "hidden"]  # of the new state, which reads the reset one
    b: Annotated[Tensor | None, "3 * hidden"] = None
    activation: str = "tanh"  # of the new state

    def __post_init__(self) -> None:
        if self.activation not in {"tanh", "relu"}:
            raise GraphError(
                f"{type(self).__name__} has no activation '{self.activation}'; there are 'tanh' and 'relu'"
            )

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.v.shape[1]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        xr, xz, xn = ops.split(ops.affine(self.w, x, self.b), 3)
        hr, hz = ops.split(ops.affine(self.u, h), 2)
        r, z = ops.sigmoid(xr + hr), ops.sigmoid(xz + hz)
        n = activate(ops, self.activation, xn + ops.affine(self.v, r * h))
        h = n + z * (h - n)
        return h, (h,)


@cell
@dataclass(frozen=True)
class GruResetBeforeStep(GruResetBefore):
    """One step of GruResetBefore from a state that another layer computes (Cho et al. 2014, version 3)."""

    states: ClassVar[Mapping[str, int]] = {}

    def join(self, ops: Ops[V], x: V, h: V) -> V:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        return self.step(ops, x, (h,))[0]
