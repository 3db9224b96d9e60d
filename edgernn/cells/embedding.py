"""A table of vectors for symbols."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class Embedding:
    """Row x of the table. It must read the graph's input, which is then one int32.

    Y. Bengio et al., "A neural probabilistic language model" (JMLR 3, 2003), as `torch.nn.Embedding`.
    """

    table: Annotated[Tensor, "rows", "width"]

    states: ClassVar[Mapping[str, int]] = {}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """int32 (1,) -> (width,)."""
        return ops.lookup(self.table, x), state
