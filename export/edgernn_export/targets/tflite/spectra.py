"""Transforms of Fourier as operators of TFLite."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.array import Array
from edgernn.model import spectra
from edgernn.model.operation import Op, Ref
from edgernn.model.replay import MethodInterpreter
from edgernn.model.tensor import Tensor
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.tflite.flat import ABSENT, Flat
from edgernn_export.targets.tflite.parts import AXIS

FAST = 256
"""The size from which RFFT2D is used for a transform, where it is a power of two; other sizes it refuses.

LiteRT 2.3 and tflite-runtime 2.14 both have it, and compute in double. With REAL and IMAG it takes 0.65 times the time
of a product with the matrix at 256 points, and 1.2 times at 128. There is no inverse.
"""


class SpectrumOps(MethodInterpreter):
    """The transforms of an interpreter that writes operators."""

    named: NamedTrace
    flat: Flat
    op: Op

    def rfft(self, x: Ref, size: int, window: Tensor | None = None) -> Ref:
        if size < FAST or size & (size - 1) or x.positions > 1:
            return self._transformed(x, size, window, spectra.rfft_matrix(x.width, size, _dense(window)))
        at, bins = self._value(x), spectra.bins(size)
        if window is not None:
            weighted = self._inner("weighted", x.width)
            self.flat.operator("MUL", [at, self._weight(window)], [weighted], schema.MulOptionsT())
            at = weighted
        if x.width < size:
            padded = self._inner("padded", size)
            ends = self.flat.constant(f"pad.{size - x.width}", np.array([[0, 0], [0, size - x.width]], np.int32))
            self.flat.operator("PAD", [at, ends], [padded], schema.PadOptionsT())
            at = padded
        length = self.flat.constant(f"length.{size}", np.array([1, size], np.int32))
        spectrum = self.flat.tensor(f"{self.op.outputs[0].name}.spectrum", (1, bins), "complex64")
        self.flat.operator("RFFT2D", [at, length], [spectrum], schema.Rfft2dOptionsT())
        parts = [self._inner(kind.lower(), bins) for kind in ("REAL", "IMAG")]
        for kind, part in zip(("REAL", "IMAG"), parts, strict=True):
            self.flat.operator(kind, [spectrum], [part])
        options = schema.ConcatenationOptionsT()
        options.axis = AXIS
        return self._operator("CONCATENATION", parts, options)

    def irfft(self, x: Ref, size: int, window: Tensor | None = None) -> Ref:
        return self._transformed(x, size, window, spectra.irfft_matrix(size, _dense(window)))

    def _transformed(self, x: Ref, size: int, window: Tensor | None, matrix: Array) -> Ref:
        """A transform as a product with its matrix."""
        which = "" if window is None else f".{self.named.weight(window, self.op)}"
        name = f"{self.op.name}.{size}.{x.width}{which}"
        ins = [self._value(x), self.flat.constant(name, matrix.astype(np.float32)), ABSENT]
        return self._operator("FULLY_CONNECTED", ins, schema.FullyConnectedOptionsT())

    @abstractmethod
    def _value(self, ref: Ref) -> int: ...

    @abstractmethod
    def _inner(self, role: str, width: int) -> int: ...

    @abstractmethod
    def _operator(self, kind: str, ins: Sequence[int], options: Any = None, version: int = 1) -> Ref: ...

    @abstractmethod
    def _weight(self, tensor: Tensor) -> int: ...


def _dense(window: Tensor | None) -> Array | None:
    return None if window is None else window.dense(np.float64)
