"""Joins of branches: residual sums, gates, quotients, maxima, and concatenated features."""

from dataclasses import dataclass
from functools import reduce
from operator import add, mul

from edgernn.errors import GraphError
from edgernn.model.cell import cell
from edgernn.model.ops import Ops, V


@cell
@dataclass(frozen=True)
class Sum:
    """y = a + b + ..., all of equal width: the residual of K. He et al. (arXiv:1512.03385)."""

    def join(self, _ops: Ops[V], *xs: V) -> V:
        """(width,), (width,), ... -> (width,)."""
        total: V = reduce(add, xs)
        return total


@cell
@dataclass(frozen=True)
class Product:
    """y = a * b * ..., all of equal width: the gate of Y. Dauphin et al. (arXiv:1612.08083)."""

    def join(self, _ops: Ops[V], *xs: V) -> V:
        """(width,), (width,), ... -> (width,)."""
        product: V = reduce(mul, xs)
        return product


@cell
@dataclass(frozen=True)
class Quotient:
    """y = a / b, of equal width; where b is 0 the result is infinite or NaN."""

    def join(self, ops: Ops[V], *xs: V) -> V:
        """(width,), (width,) -> (width,)."""
        if len(xs) != 2:
            raise GraphError(f"Quotient joins {len(xs)} inputs; expected two, a dividend and a divisor")
        return ops.divide(*xs)


@cell
@dataclass(frozen=True)
class Maximum:
    """y = max(a, b, ...), element by element, all of equal width: I. Goodfellow et al., "Maxout" (arXiv:1302.4389)."""

    def join(self, ops: Ops[V], *xs: V) -> V:
        """(width,), (width,), ... -> (width,)."""
        return reduce(ops.maximum, xs)


@cell
@dataclass(frozen=True)
class Concat:
    """y = (a, b, ...), concatenated in the order of the layer's inputs: G. Huang et al. (arXiv:1608.06993)."""

    def join(self, ops: Ops[V], *xs: V) -> V:
        """(a,), (b,), ... -> (a + b + ...,)."""
        return ops.concat(*xs)
