"""The operations of static layers in ONNX: float nodes between DequantizeLinear and QuantizeLinear.

A runtime fuses such a group into an integer kernel where it has one, and computes it as written where not. Either way
the result of each operation is within one or two steps of edgernn.interpreters.integer, given the same integers. It is
not equal bit for bit: QuantizeLinear rounds halves to even, the definition rounds them up.

A split whose parts are only used in computations cuts the floats, not the integers: one node makes all parts float.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.integer.forms import affine
from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.integer.positions import hold, lookup
from edgernn.model.graph import INPUT
from edgernn.model.operation import Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.onnx.operations import ANY, OnnxOps

DTYPES: Mapping[int, str] = {8: "int8", 16: "int16"}
"""Bits -> the dtype of such integers."""


class OnnxIntegerOps(OnnxOps):
    """Writes operations on integers too. The integers of a value have its name; their floats have `.float` added.

    Args:
        named: the graph and the names of its values.
        static: which values are integers.

    Attributes:
        integer_values: values that are integers where they are computed or enter.
        needs_integers: values whose integers leave the step, or are moved without computation.
    """

    def __init__(self, named: NamedTrace, static: IntegerPlan) -> None:
        super().__init__(named)
        self.static = static
        float_io = {state.before.name for state in named.trace.states if state.name in static.io_quantization}
        self.integer_values = static.integer_values | float_io | ({INPUT} & static.io_quantization.keys())
        for output, ref in named.outs.items():
            if self.names[ref.name] == output and (self._output_qparams(output) is None) == (
                ref.name in self.integer_values
            ):
                self.names[ref.name] = ref.name  # it leaves in the other form, which gets the name of the output
        integer_outputs = {ref.name for output, ref in named.outs.items() if self._output_qparams(output) is not None}
        moved = {ref.name for op in named.trace.operations if static.moves(op) for ref in op.inputs}
        self.needs_integers = integer_outputs | moved

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if not self._is_integer:
            return super().affine(weight, x, bias)
        assert weight.scale is not None
        ins = [self._name(x), self._rows(self.named.weight(weight, self.op), weight.stored, weight.scale)]
        if bias is not None:
            form, qparams = affine(self.op, self.static), self.static.quantization[x.name]
            added = (form.bias + qparams.zero * form.weight.sum(axis=1)).astype(np.int32)
            ins.append(self._rows(f"{self.op.outputs[0].name}.bias", added, weight.scale * qparams.scale))
        return self._node("Gemm", ins, transB=1)

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        parts = self.op.outputs
        if not self._is_integer or not self.needs_integers.isdisjoint(ref.name for ref in parts):
            return super().split(x, sizes)
        numbers = self._numbers(self._integers(x), x)
        self._inner_node("Split", [numbers, self._shape(*sizes)], [f"{ref.name}.float" for ref in parts], axis=1)
        return parts

    def log(self, x: Ref) -> Ref:
        return self._of_positive("Log", x) if self._is_integer else super().log(x)

    def sqrt(self, x: Ref) -> Ref:
        return self._of_positive("Sqrt", x) if self._is_integer else super().sqrt(x)

    def _of_positive(self, kind: str, x: Ref) -> Ref:
        """A function that is NaN for negative numbers, of `max(x, 0)`."""
        positive = f"{self.op.outputs[0].name}.positive"
        self._inner_node("Relu", [self._name(x)], [positive])
        self._inner_node(kind, [positive], [f"{self.op.outputs[0].name}.exact"])
        return self._quantized()

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        if not self._is_integer:
            return super().lookup(table, index)
        result = self.op.outputs[0]
        rows = lookup(self.op, self.static).table.astype(DTYPES[self.static.quantization[result.name].bits])
        return self._node("Gather", [self._store(f"{result.name}.table", rows), self._name(index)], axis=0)

    def largest(self, x: Ref, before: int, size: int) -> Ref:
        if not self._is_integer:
            return super().largest(x, before, size)
        exact = f"{self.op.outputs[0].name}.exact"
        pooled = self._pooled(self._numbers(self._integers(x), x), size, x.width)  # no pooling of 16 bits exists
        self._inner_node("Reshape", [pooled, self._shape(ANY, x.width)], [exact])
        return self._quantized()

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        if not self._is_integer:
            return super().hold(x, last, threshold)
        new, old = (self._numbers(self._integers(ref), ref) for ref in (x, last))
        steps = hold(self.op, self.static).steps + 0.5  # between two integers, whatever floats round to
        near = self._near(new, old, steps * self.static.quantization[x.name].scale)
        self._inner_node("Where", [near, old, new], [f"{self.op.outputs[0].name}.exact"])
        return self._quantized()

    def output(self, output: str, ref: Ref) -> None:
        name = self._float(ref) if self._output_qparams(output) is None else self._integers(ref)
        if name != output:
            self._copy(name, output)

    def _output_qparams(self, output: str) -> QuantizationParameters | None:
        """The quantization parameters of an output; None for a float one."""
        return self.static.io_quantization.get(output.removesuffix(".out"))

    @property
    def _is_integer(self) -> bool:
        """Whether the operation computes with integers."""
        return self.static.is_integer(self.op)

    def _name(self, ref: Ref) -> str:
        """The name of an input of the operation: of integers that it moves, else of floats."""
        if not self._is_integer or ref.name not in self.static.quantization:
            return self._float(ref)
        q = self._integers(ref)
        return q if self.static.moves(self.op) else self._numbers(q, ref)

    def _zeros(self, x: Ref) -> str:
        if not self._is_integer:
            return super()._zeros(x)
        qparams = self.static.quantization[x.name]
        zeros = np.full((1, x.width), qparams.zero, DTYPES[qparams.bits])
        return self._store(f"{self.op.outputs[0].name}.zeros", zeros)

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> Ref:
        if not self._is_integer or self.static.moves(self.op):
            return super()._node(kind, inputs, **attributes)
        self._inner_node(kind, inputs, [f"{self.op.outputs[0].name}.exact"], **attributes)
        return self._quantized()

    def _quantized(self) -> Ref:
        """The result of the operation, quantized from its float."""
        (result,) = self.op.outputs
        self._inner_node("QuantizeLinear", [f"{result.name}.exact", *self._qparams(result)], [self.names[result.name]])
        return result

    def _float(self, ref: Ref) -> str:
        """The name of a value as float, dequantized where it is computed as integers."""
        name = super()._name(ref)
        return self._numbers(name, ref) if ref.name in self.integer_values else name

    def _integers(self, ref: Ref) -> str:
        """The name of a value as integers, quantized once where it is computed as float."""
        name, whole = super()._name(ref), f"{ref.name}.whole"
        if ref.name in self.integer_values:
            return name
        if whole not in self.inner:
            self._inner_node("QuantizeLinear", [name, *self._qparams(ref)], [whole])
        return whole

    def _numbers(self, q: str, ref: Ref) -> str:
        """The name of a value's integers `q`, dequantized."""
        numbers = f"{ref.name}.float"
        if numbers not in self.inner:
            self._inner_node("DequantizeLinear", [q, *self._qparams(ref)], [numbers])
        return numbers

    def _qparams(self, ref: Ref) -> Sequence[str]:
        """The names of a value's scale and zero point."""
        qparams = self.static.quantization[ref.name]
        zero = np.array(qparams.zero, DTYPES[qparams.bits])
        return self._store(f"{ref.name}.grid.scale", np.array(qparams.scale, np.float32)), self._store(
            f"{ref.name}.grid.zero", zero
        )

    def _rows(self, name: str, whole: NDArray[Any], scale: NDArray[Any]) -> str:
        """The name of dequantized integers of weights, with one scale per row."""
        numbers = f"{name}.float"
        if numbers not in self.inner:
            # runtimes use an integer kernel only when zero points are written out
            parts = {name: whole, f"{name}.scale": scale, f"{name}.zero": np.zeros(len(whole), whole.dtype)}
            ins = [self._store(part, array) for part, array in parts.items()]
            self._inner_node("DequantizeLinear", ins, [numbers], axis=0)
        return numbers
