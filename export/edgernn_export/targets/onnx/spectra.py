"""Transforms of Fourier as nodes of ONNX."""

from abc import abstractmethod
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgernn.array import Array
from edgernn.model import spectra
from edgernn.model.operation import Op, Ref
from edgernn.model.replay import MethodInterpreter
from edgernn.model.tensor import Tensor
from edgernn_export.targets.naming import NamedTrace

FAST = 512
"""The size from which DFT is used for a transform, where it is a power of two.

In ONNX Runtime 1.32 it takes 0.85 times the time of a product with the matrix at 512 points, 0.5 times at 1,024, and
1.4 times at 256. For any other size it takes 4 times as long and is 4e-5 from the transform. It has no inverse whose
result is real.
"""


class SpectrumOps(MethodInterpreter):
    """The transforms of an interpreter that writes nodes."""

    named: NamedTrace
    op: Op
    weights: dict[str, onnx.TensorProto]

    def rfft(self, x: Ref, size: int, window: Tensor | None = None) -> Ref:
        if size < FAST or size & (size - 1):
            return self._transformed(x, size, window, spectra.rfft_matrix(x.width, size, _dense(window)))
        result, at = self.op.outputs[0], self._name(x)
        weighted, column, bins, pairs = (f"{result.name}.{role}" for role in ("weighted", "column", "bins", "pairs"))
        if window is not None:
            self._inner_node("Mul", [at, self._constant(window)], [weighted])
            at = weighted
        self._inner_node("Reshape", [at, self._shape(-1, x.width, 1)], [column])
        length = self._whole_number(f"size.{size}", size)
        self._inner_node("DFT", [column, length], [bins], axis=1, onesided=1)
        self._inner_node("Transpose", [bins], [pairs], perm=[0, 2, 1])
        return self._node("Reshape", [pairs, self._shape(-1, result.width)])

    def irfft(self, x: Ref, size: int, window: Tensor | None = None) -> Ref:
        return self._transformed(x, size, window, spectra.irfft_matrix(size, _dense(window)))

    def _transformed(self, x: Ref, size: int, window: Tensor | None, matrix: Array) -> Ref:
        """A transform as a product with its matrix."""
        which = "" if window is None else f".{self.named.weight(window, self.op)}"
        name = self._store(f"{self.op.name}.{size}.{x.width}{which}", matrix.astype(np.float32))
        return self._node("Gemm", [self._name(x), name], transB=1)

    def _whole_number(self, name: str, value: int) -> str:
        """The name of a constant without axes."""
        self.weights[name] = numpy_helper.from_array(np.array(value, np.int64), name)
        return name

    @abstractmethod
    def _name(self, ref: Ref) -> str: ...

    @abstractmethod
    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> Ref: ...

    @abstractmethod
    def _inner_node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None: ...

    @abstractmethod
    def _constant(self, factor: Tensor | float, role: str = "") -> str: ...

    @abstractmethod
    def _shape(self, *sizes: int) -> str: ...

    @abstractmethod
    def _store(self, name: str, array: Array) -> str: ...


def _dense(window: Tensor | None) -> Array | None:
    return None if window is None else window.dense(np.float64)
