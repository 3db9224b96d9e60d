"""The operations: the few in which every cell is written, and which every interpreter implements."""

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

from edgernn.model.tensor import Tensor


class Value(Protocol):
    """A value of an interpreter: a vector per step, on the last axis of `(..., width)`.

    Inside a step a value may have several positions, each a vector of its own, on the axis before the last. Every
    operation acts on each position by itself; `reshape`, `gather`, `sum` and `largest` are the ones that do not.
    """

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self, /) -> Self: ...


V = TypeVar("V", bound=Value)


class Ops(Protocol[V]):
    """The operations that a cell's `step` may use, beside `+`, `-` and `*` between two values of equal width.

    Float results follow IEEE 754: `log(0)` and `1 / 0` are infinite, `sqrt(-1)`, `log(-1)` and `0 / 0` are NaN, and
    `exp` of large numbers is infinite. A stream returns such results as they are. In a state they stay until it is
    reset, so a cell bounds what it divides by, and the argument of `exp`.
    """

    def affine(self, weight: Tensor, x: V, bias: Tensor | None = None, /) -> V:
        """Compute `weight @ x + bias`; weight (outputs, inputs), bias (outputs,)."""

    def scale(self, x: V, by: Tensor | float, plus: Tensor | float = 0.0, /) -> V:
        """Compute `by * x + plus`; each is a number, or a Tensor with one entry per element."""

    def sigmoid(self, x: V, /) -> V:
        """Compute `1 / (1 + exp(-x))`."""

    def tanh(self, x: V, /) -> V:
        """Compute the hyperbolic tangent."""

    def relu(self, x: V, /) -> V:
        """Compute `max(x, 0)`."""

    def softmax(self, x: V, /) -> V:
        """Compute `exp(x) / sum(exp(x))` over the last axis."""

    def log(self, x: V, /) -> V:
        """Compute the natural logarithm."""

    def exp(self, x: V, /) -> V:
        """Compute the exponential."""

    def sqrt(self, x: V, /) -> V:
        """Compute the square root."""

    def divide(self, a: V, b: V, /) -> V:
        """Compute `a / b` of two values of equal width."""

    def maximum(self, a: V, b: V, /) -> V:
        """Compute the larger of two values of equal width, element by element."""

    def split(self, x: V, sizes: int | Sequence[int], /) -> tuple[V, ...]:
        """Split the last axis into a number of equal parts, or into parts of these sizes."""

    def concat(self, *xs: V) -> V:
        """Concatenate values on the last axis."""

    def lookup(self, table: Tensor, index: V, /) -> V:
        """Return row `index` of a table (vocabulary_size, width); the index is an integer of width 1."""

    def normalize(self, x: V, gain: Tensor | None, bias: Tensor | None, eps: float, /) -> V:
        """Compute `(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis; var is the biased variance."""

    def reshape(self, x: V, before: int, after: int, /) -> V:
        """Arrange the elements of a value of `before` positions, in row-major order, as `after` positions."""

    def gather(self, x: V, before: int, index: Sequence[int], /) -> V:
        """Return the positions of an index among the `before` positions of x, in order; -1 gives zeros."""

    def sum(self, x: V, before: int, size: int, /) -> V:
        """Return the sum of each `size` consecutive positions among the `before` positions of x."""

    def largest(self, x: V, before: int, size: int, /) -> V:
        """Return the largest number of each element among each `size` consecutive positions of x."""

    def hold(self, x: V, last: V, threshold: float, /) -> V:
        """Return each element of x that differs from that of `last` by more than a threshold, else that of `last`."""

    def rfft(self, x: V, size: int, window: Tensor | None = None, /) -> V:
        """Return the discrete Fourier transform of real numbers: (width,) -> (2 * (size // 2 + 1),).

        The result has the real parts of the bins 0 to size // 2, then their imaginary parts, which `split(y, 2)` gives.
        x is multiplied by the window, of its width, and padded with zeros to `size` points. The prime factors of size
        are 2, 3, 5 and 7.
        """

    def irfft(self, x: V, size: int, window: Tensor | None = None, /) -> V:
        """Return the inverse of `rfft`: (2 * (size // 2 + 1),) -> (size,).

        With a window, the result is the first elements of it, as many as the window has, times the window. The
        imaginary parts of the bins 0 and size / 2 have no effect.
        """


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
    "exp",
    "sqrt",
    "divide",
    "maximum",
    "split",
    "concat",
    "lookup",
    "normalize",
    "reshape",
    "gather",
    "sum",
    "largest",
    "hold",
    "rfft",
    "irfft",
)
"""What an interpreter implements: the methods of Ops; `+`, `-` and `*` are add, subtract and multiply."""

ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax")
"""The activations of a dense layer; each but "linear" is an operation with one argument."""


def activate(ops: Ops[V], activation: str, x: V) -> V:
    """Apply one of ACTIVATIONS to x; "linear" returns x unchanged."""
    if activation == "linear":
        return x
    y: V = getattr(ops, activation)(x)
    return y
