"""GRU and LSTM with layer normalization inside the recurrence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class LayerNormGru:
    """A GRU whose two products are normalized over all gates, each with a gain; the reset gate follows the product.

    J. Ba et al., "Layer normalization" (arXiv:1607.06450), applied to the GRU of cuDNN; gates in the order of GATES.
    """

    GATES: ClassVar = ("reset", "update", "new")

    w: Annotated[Tensor, "3 * hidden", "inputs"]
    u: Annotated[Tensor, "3 * hidden", "hidden"]
    b: Annotated[Tensor, "3 * hidden"]  # added to the normalized w @ x
    c: Annotated[Tensor, "3 * hidden"]  # added to the normalized u @ h, inside the reset gate
    gain: Annotated[Tensor, "3 * hidden"]  # of w @ x
    gain_h: Annotated[Tensor, "3 * hidden"]  # of u @ h
    eps: float = 1e-5

    @property
    def states(self) -> Mapping[str, int]:
        """The hidden state `h`."""
        return {"h": self.u.shape[1]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and h (hidden,) -> h (hidden,)."""
        (h,) = state
        xr, xz, xn = ops.split(ops.normalize(ops.affine(self.w, x), self.gain, self.b, self.eps), 3)
        hr, hz, hn = ops.split(ops.normalize(ops.affine(self.u, h), self.gain_h, self.c, self.eps), 3)
        r, z = ops.sigmoid(xr + hr), ops.sigmoid(xz + hz)
        n = ops.tanh(xn + r * hn)
        h = n + z * (h - n)
        return h, (h,)


@cell
@dataclass(frozen=True)
class LayerNormLstm:
    """An LSTM whose two products and cell state are normalized, each with a gain; the gates are in the order of GATES.

    J. Ba et al., "Layer normalization" (arXiv:1607.06450), equations 20 to 22.
    """

    GATES: ClassVar = ("input", "forget", "cell", "output")

    w: Annotated[Tensor, "4 * hidden", "inputs"]
    u: Annotated[Tensor, "4 * hidden", "hidden"]
    b: Annotated[Tensor, "4 * hidden"]
    gain: Annotated[Tensor, "4 * hidden"]  # of w @ x
    gain_h: Annotated[Tensor, "4 * hidden"]  # of u @ h
    gain_c: Annotated[Tensor, "hidden"]  # of the cell state as the output gate reads it
    bias_c: Annotated[Tensor, "hidden"]
    eps: float = 1e-5

    @property
    def states(self) -> Mapping[str, int]:
        """The output `h` and the cell state `c`."""
        return {"h": self.u.shape[1], "c": self.u.shape[1]}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,), h (hidden,) and c (hidden,) -> h (hidden,)."""
        h, c = state
        ax = ops.normalize(ops.affine(self.w, x), self.gain, self.b, self.eps)
        ah = ops.normalize(ops.affine(self.u, h), self.gain_h, None, self.eps)
        i, f, g, o = ops.split(ax + ah, 4)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(ops.normalize(c, self.gain_c, self.bias_c, self.eps))
        return h, (h, c)
