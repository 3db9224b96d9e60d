"""Where branches meet: residual sums, gates, and features side by side."""

from dataclasses import dataclass
from functools import reduce
from operator import add, mul

from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Sum:
    """a + b + ..., all of one width: the residual of K. He et al. (arXiv:1512.03385)."""

    def join(self, _ops: Ops[V], *xs: V) -> V:
        """(width,), (width,), ... -> (width,)."""
        total: V = reduce(add, xs)
        return total


@cell
@dataclass(frozen=True)
class Product:
    """a * b * ..., all of one width: the gate of Y. Dauphin et al. (arXiv:1612.08083)."""

    def join(self, _ops: Ops[V], *xs: V) -> V:
        """(width,), (width,), ... -> (width,)."""
        product: V = reduce(mul, xs)
        return product


@cell
@dataclass(frozen=True)
class Concat:
    """The values side by side, in the order in which they are read: G. Huang et al. (arXiv:1608.06993)."""

    def join(self, ops: Ops[V], *xs: V) -> V:
        """(a,), (b,), ... -> (a + b + ...,)."""
        return ops.concat(*xs)
