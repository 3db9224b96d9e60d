"""Functions of one value, as compositions of operations in which nothing overflows before the result."""

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any

from edgernn.model.ops import Ops, V

Curve = Callable[[Ops[Any], Any], Any]

TINY = 2.0**-40
"""The smallest number that `above` tells from 0; smaller ones are partly above."""

ERFC_POINT = 3.0
ERFC = (
    *(0.179001162109, 0.3262333217065, 0.2456057680928, 0.1501084292463, 0.07167504035147, 0.02442518015502),
    *(0.004103489809593, -0.0003687242067671, -0.0009856793399527, 0.0002020120778812),
)
"""exp(z^2) erfc(z) for z >= 0 as a polynomial in s = (ERFC_POINT - z) / (ERFC_POINT + z), the lowest power first.

The minimax fit of this degree, weighted by exp(-z^2): the error of erfc is below 2e-12. The substitution is that of
M. Shepherd and J. Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x" (Math. Comp. 36, 1981).
"""


def absolute(ops: Ops[V], x: V) -> V:
    """Compute |x|."""
    return ops.relu(x) + ops.relu(ops.scale(x, -1.0))


def below(ops: Ops[V], x: V) -> V:
    """Compute min(x, 0)."""
    return ops.scale(ops.relu(ops.scale(x, -1.0)), -1.0)


def above(ops: Ops[V], x: V) -> V:
    """Compute 1 where x is above 0, and 0 elsewhere."""
    positive = ops.relu(x)
    return ops.divide(positive, ops.scale(ops.relu(ops.scale(positive, 1.0, -TINY)), 1.0, TINY))


def reciprocal(ops: Ops[V], x: V) -> V:
    """Compute 1 / x."""
    return ops.divide(ops.scale(x, 0.0, 1.0), x)


def elu(ops: Ops[V], x: V) -> V:
    """Compute x above 0, and exp(x) - 1 below: D. Clevert et al. (arXiv:1511.07289)."""
    return ops.relu(x) + ops.scale(ops.exp(below(ops, x)), 1.0, -1.0)


def softplus(ops: Ops[V], x: V) -> V:
    """Compute log(1 + exp(x)) as relu(x) + log(1 + exp(-|x|)): C. Dugas et al. (NIPS 2000)."""
    return ops.relu(x) + ops.log(ops.scale(ops.exp(ops.scale(absolute(ops, x), -1.0)), 1.0, 1.0))


def mish(ops: Ops[V], x: V) -> V:
    """Compute x * tanh(softplus(x)): D. Misra (arXiv:1908.08681)."""
    return x * ops.tanh(softplus(ops, x))


def gelu(ops: Ops[V], x: V) -> V:
    """Compute x times the normal distribution: D. Hendrycks and K. Gimpel (arXiv:1606.08415).

    It is relu(x) - |x| / 2 * erfc(|x| / sqrt(2)).
    """
    size = absolute(ops, x)
    return ops.relu(x) - ops.scale(size, 0.5) * erfc(ops, ops.scale(size, 1 / sqrt(2)))


def gelu_tanh(ops: Ops[V], x: V) -> V:
    """Compute the approximation of gelu in its paper: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    slope = 2 * sqrt(2 / pi)
    return x * ops.sigmoid(x * ops.scale(x * x, 0.044715 * slope, slope))


def erf(ops: Ops[V], x: V) -> V:
    """Compute the error function: the sign of x times 1 - erfc(|x|)."""
    sign = above(ops, x) - above(ops, ops.scale(x, -1.0))
    return sign * ops.scale(erfc(ops, absolute(ops, x)), -1.0, 1.0)


def erfc(ops: Ops[V], z: V) -> V:
    """Compute 1 - erf(z) for z >= 0."""
    s = ops.scale(ops.divide(ops.scale(z, 0.0, 2 * ERFC_POINT), ops.scale(z, 1.0, ERFC_POINT)), 1.0, -1.0)
    p = ops.scale(s, ERFC[-1], ERFC[-2])
    for term in ERFC[-3::-1]:
        p = ops.scale(s * p, 1.0, term)
    return p * ops.exp(ops.scale(z * z, -1.0))


CURVES: Mapping[str, Curve] = {
    "abs": absolute,
    "above": above,
    "elu": elu,
    "erf": erf,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "mish": mish,
    "reciprocal": reciprocal,
    "softplus": softplus,
}
"""The name of a function -> the function; each maps (width,) to (width,)."""
