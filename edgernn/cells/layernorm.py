"""Layer normalization."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class LayerNorm:
    """y = (x - mean) / sqrt(variance + eps) * gain + bias over the elements of one frame.

    J. Ba et al., "Layer normalization" (arXiv:1607.06450), with the biased variance as in `torch.nn.LayerNorm`.
    """

    gain: Annotated[Tensor | None, "inputs"] = None
    bias: Annotated[Tensor | None, "inputs"] = None
    eps: float = 1e-5

    states: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        if self.eps <= 0:
            raise GraphError(f"LayerNorm has eps {self.eps}; expected a number above 0")

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (inputs,)."""
        return ops.normalize(x, self.gain, self.bias, self.eps), state
