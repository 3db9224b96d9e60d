"""What the arithmetic itself may lose: the definition in float64, randomly perturbed wherever a runtime rounds."""

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.numpy import NumpyOps
from edgernn.model.tensor import Tensor

DRAWS = 32
LAST_DIGIT = 2.0**-23  # of float32, as a part of a number
CURVE = 2.0**-21  # how far sigmoid and tanh of two runtimes are apart; those of compiled code saturate at 1 - 3e-7


class PerturbedOps(NumpyOps):
    """The operations in float64 on a batch: the first row exact, the others with noise where a runtime would round.

    The inputs of affine, scale, exp, sqrt and divide are moved by up to half a last digit of float32, or half a step of
    their scale where they are rounded to integers. The outputs of sigmoid, tanh and exp are moved by up to half of
    CURVE, that of exp as a part of itself. Weights of 1e4 and
    more behind them make that visible: two outputs that are equal in numpy, and cancel, need not be equal elsewhere.
    """

    def __init__(self) -> None:
        super().__init__("float64")
        self._random = np.random.default_rng(0)

    def affine(self, weight: Tensor, x: Array, bias: Tensor | None = None) -> Array:
        return super().affine(weight, self._moved(x, x * LAST_DIGIT), bias)

    def scale(self, x: Array, by: Tensor | float, plus: Tensor | float = 0.0) -> Array:
        return super().scale(self._moved(x, x * LAST_DIGIT), by, plus)

    def sigmoid(self, x: Array) -> Array:
        return self._moved(super().sigmoid(x), np.float64(CURVE))

    def tanh(self, x: Array) -> Array:
        return self._moved(super().tanh(x), np.float64(CURVE))

    def exp(self, x: Array) -> Array:
        y = super().exp(self._moved(x, x * LAST_DIGIT))
        return self._moved(y, y * CURVE)

    def sqrt(self, x: Array) -> Array:
        return super().sqrt(self._moved(x, x * LAST_DIGIT))

    def divide(self, a: Array, b: Array) -> Array:
        return super().divide(self._moved(a, a * LAST_DIGIT), self._moved(b, b * LAST_DIGIT))

    def _dynamic(self, weight: Tensor, x: Array) -> Array:
        # ONNX rounds all positions of a value with one scale
        most = np.abs(x).max(axis=tuple(range(1, x.ndim)), keepdims=True)
        y: Array = self._moved(x, most / 127) @ self._array(weight).T
        return y

    def _moved(self, x: Array, step: Array | np.float64) -> Array:
        """`x` moved by up to half a step, except for the first row."""
        noise = self._random.uniform(-0.5, 0.5, x.shape)
        noise[0] = 0
        with np.errstate(invalid="ignore"):
            moved: Array = np.where(np.isfinite(x), x + step * noise, x)
        return moved
