"""The operations for rows of streams: each row has the bits that its stream alone would have.

A float matrix product of n rows sums in another order than one of a single row, so a product is computed row by row:
numpy's matmul does so for stacks of matrices of one row. Products of integers are exact, and any order will do. All
other operations act on the last axis, one row after another.
"""

from edgernn.array import Array
from edgernn.integer.plan import IntegerPlan
from edgernn.interpreters.integer import IntegerOps, IntegerStepper
from edgernn.interpreters.numpy import NumpyOps, SameOps, Stepper
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, Tensor


class _ByRow(NumpyOps):
    """Values are (streams, width), or (streams, positions, width)."""

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        if weight.scheme == DYNAMIC or x.ndim > 2:
            return super().affine(weight, x, bias)
        y: Array = super().affine(weight, x[:, None, :], bias)[:, 0, :]
        return y


class RowOps(_ByRow):
    """NumpyOps by row."""


class SameRowOps(_ByRow, SameOps):
    """SameOps by row."""


class IntegerRowOps(IntegerOps):
    """IntegerOps, with the float operations by row."""

    def __init__(self, plan: IntegerPlan) -> None:
        super().__init__(plan)
        self._float = SameRowOps()


def row_stepper(graph: Graph) -> Stepper:
    """The stepper of float32 rows of a graph that has no integers, (streams, inputs) -> (streams, outputs)."""
    ops = SameRowOps() if DYNAMIC in graph.precision else RowOps("float32")
    return Stepper(graph, "float32", ops)


def integer_row_stepper(graph: Graph) -> IntegerStepper:
    """The stepper of rows of a static graph."""
    return IntegerStepper(graph, IntegerRowOps)
