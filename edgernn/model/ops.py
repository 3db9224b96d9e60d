"""The words: the few operations in which every cell is written and which every reading understands."""

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

from edgernn.model.tensor import Tensor


class Value(Protocol):
    """What flows between words: a vector per step, on the last axis of `(..., width)`."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...


V = TypeVar("V", bound=Value)


class Ops(Protocol[V]):
    """The words that a cell's `step` may use, beside `+`, `-` and `*` between two values."""

    def affine(self, weight: Tensor, x: V, bias: Tensor | None = None, /) -> V:
        """`weight @ x + bias`; weight (outputs, inputs), bias (outputs,)."""

    def scale(self, x: V, by: Tensor | float, plus: Tensor | float = 0.0, /) -> V:
        """`by * x + plus`; each a number, or a Tensor with one entry per element."""

    def sigmoid(self, x: V, /) -> V:
        """`1 / (1 + exp(-x))`."""

    def tanh(self, x: V, /) -> V:
        """The hyperbolic tangent."""

    def relu(self, x: V, /) -> V:
        """`max(x, 0)`."""

    def softmax(self, x: V, /) -> V:
        """`exp(x) / sum(exp(x))` over the last axis."""

    def log(self, x: V, /) -> V:
        """The natural logarithm."""

    def split(self, x: V, sizes: int | Sequence[int], /) -> tuple[V, ...]:
        """That many equal parts, or parts of these sizes."""

    def concat(self, *xs: V) -> V:
        """The values side by side."""

    def lookup(self, table: Tensor, index: V, /) -> V:
        """Row `index` of the table (rows, width); index is an integer of width 1."""

    def normalize(self, x: V, gain: Tensor | None, bias: Tensor | None, eps: float, /) -> V:
        """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis."""


# What a reading must know: the methods of Ops, and `+ - *` by their names.
OPERATIONS = (
    "affine",
    "add",
    "subtract",
    "multiply",
    "scale",
    "sigmoid",
    "tanh",
    "relu",
    "softmax",
    "log",
    "split",
    "concat",
    "lookup",
    "normalize",
)

# Words of one argument that a dense layer may end in.
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax")


def activate(ops: Ops[V], activation: str, x: V) -> V:
    """One of ACTIVATIONS applied to x; "linear" leaves it as it is."""
    if activation == "linear":
        return x
    op: V = getattr(ops, activation)(x)
    return op
