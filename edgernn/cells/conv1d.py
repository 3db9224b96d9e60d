"""Causal convolution over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Conv1d:
    """A convolution over this frame and earlier ones: y[t] = b + sum over k of w_k x[t - (kernel - 1 - k) dilation].

    The state is the past frames, oldest first. Its initial zeros are the zero padding on the left of `torch.nn.Conv1d`.
    Causal and dilated as in A. van den Oord et al., "WaveNet" (arXiv:1609.03499).
    """

    kernel: int  # number of taps, at least 2; a Dense has one
    w: Annotated[Tensor, "outputs", "kernel * inputs"]  # tap by tap, oldest first
    b: Annotated[Tensor | None, "outputs"] = None
    dilation: int = 1  # frames from one tap to the next

    def __post_init__(self) -> None:
        if self.kernel < 2 or self.dilation < 1:
            raise GraphError(
                f"Conv1d has kernel {self.kernel} and dilation {self.dilation}; expected a kernel of at least 2 "
                "and a dilation of at least 1"
            )

    @property
    def inputs(self) -> int:
        """The width of one frame."""
        return self.w.shape[1] // self.kernel

    @property
    def states(self) -> Mapping[str, int]:
        """The past frames that a later step reads."""
        return {"past": (self.kernel - 1) * self.dilation * self.inputs}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) and past ((kernel - 1) * dilation * inputs,) -> (outputs,)."""
        (past,) = state
        frames = ops.concat(past, x)
        _, later = ops.split(frames, (self.inputs, self.states["past"]))
        if self.dilation > 1:
            taps = (self.inputs, (self.dilation - 1) * self.inputs) * (self.kernel - 1)
            frames = ops.concat(*ops.split(frames, (*taps, self.inputs))[::2])
        return ops.affine(self.w, frames, self.b), (later,)
