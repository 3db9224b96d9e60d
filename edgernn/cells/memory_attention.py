"""Attention over a memory that a stream begins with, as a decoder's over the positions of an encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V
from edgernn.model.tensor import Tensor


@cell
@dataclass(frozen=True)
class MemoryAttention:
    """y = [x, sum over k of softmax_k(memory_k . (query @ x) + mask_k) memory_k].

    The memory has `size` positions of `width` numbers, and each position has a number that is added to its score: 0, or
    a large negative one for a position that holds nothing. Both are states that no step changes: they are written
    before a stream begins. Their zeros stand for a memory of zeros.

    The dot-product form of D. Bahdanau et al. (arXiv:1409.0473) by M.-T. Luong et al. (arXiv:1508.04025), "general".
    """

    query: Annotated[Tensor, "width", "inputs"]
    size: int  # positions of the memory

    def __post_init__(self) -> None:
        if self.size < 1:
            raise GraphError(f"MemoryAttention.size is {self.size}; expected at least one position")

    @property
    def width(self) -> int:
        """The width of a position."""
        return int(self.query.shape[0])

    @property
    def states(self) -> Mapping[str, int]:
        """The memory, position by position, and the mask."""
        return {"memory": self.size * self.width, "mask": self.size}

    def step(self, ops: Ops[V], x: V, state: tuple[V, ...]) -> tuple[V, tuple[V, ...]]:
        """(inputs,) -> (inputs + width,)."""
        memory, mask = state
        size, width = self.size, self.width
        positions = ops.reshape(memory, 1, size)
        asked = ops.gather(ops.affine(self.query, x), 1, [0] * size)
        products = ops.reshape(positions * asked, size, size * width)
        scores = ops.reshape(ops.sum(products, size * width, width), size, 1) + mask
        weights = ops.reshape(ops.softmax(scores), 1, size)
        spread = ops.reshape(ops.gather(weights, size, _each(size, width)), size * width, size)
        return ops.concat(x, ops.sum(positions * spread, size, size)), state


def _each(size: int, times: int) -> list[int]:
    """Each of `size` positions so many times."""
    return [k for k in range(size) for _ in range(times)]
