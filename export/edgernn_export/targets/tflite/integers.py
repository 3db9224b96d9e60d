"""The operations of static layers as integer operators that both LiteRT and tflite-runtime have.

The inputs and the result of an operator have equal bits. Where those of an operation differ, inputs of 8 bits are
widened to 16, which is exact, and the result is rounded to 8. `scale` has no operator: with one number as factor it is
a product with a constant. Any other `scale`, `normalize`, `softmax`, `log`, `exp`, `sqrt`, `maximum` and float
operations are computed in float between DEQUANTIZE and QUANTIZE.

Given the same integers, the result of an operator is within 1 of edgernn.interpreters.integer on every kernel; within 3
for tanh and sigmoid of 16 bits, which use another table. Kernels differ among themselves: LiteRT's delegate rounds
once, as the definition does; its plain kernels and those of tflite-runtime sometimes round twice.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.integer.forms import affine
from edgernn.integer.plan import (
    FIXED_QPARAMS,
    INNER_OPERATIONS,
    TABLE_OPERATIONS,
    IntegerPlan,
    QuantizationParameters,
)
from edgernn.integer.positions import hold, lookup
from edgernn.model.graph import INPUT
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.tflite.flat import ABSENT, Flat
from edgernn_export.targets.tflite.operations import TfliteOps

VERSIONS: Mapping[str, Mapping[int, int]] = {
    "ADD": {8: 2, 16: 3},
    "CONCATENATION": {8: 2, 16: 3},
    "DEQUANTIZE": {8: 2, 16: 3},
    "FULLY_CONNECTED": {8: 4, 16: 7},
    "GATHER": {8: 2, 16: 4},
    "LOGISTIC": {8: 2, 16: 3},
    "MUL": {8: 3, 16: 4},
    "QUANTIZE": {8: 1, 16: 2},
    "RELU": {8: 2, 16: 3},
    "RESHAPE": {8: 1, 16: 1},
    "SELECT": {8: 1, 16: 1},
    "SPLIT": {8: 2, 16: 4},
    "SPLIT_V": {8: 2, 16: 2},
    "SUB": {8: 2, 16: 5},
    "TANH": {8: 2, 16: 3},
}
"""The operator -> the bits of its integers -> its version, from TensorFlow's op_version.cc."""

LEAST: Mapping[str, float] = {"add": 2**-10, "subtract": 2**-10, "multiply": 2**-16, "relu": 2**-8}
MOST = 2**7
"""The scale of an input, or the product of the scales, divided by that of the result: at least LEAST and below MOST.

Outside, LiteRT's delegate fails in some cases and plain kernels end the process; the operation is computed in float.
"""

MOST_OF_16_BITS = 2.0  # scale of the input of sigmoid and tanh: from 2.7 on a factor in the kernels overflows

IN_FLOAT = ("normalize", "maximum", "sum", "largest", *TABLE_OPERATIONS, *INNER_OPERATIONS)
"""The operations without an integer operator in both runtimes."""

BIAS = {8: np.int32, 16: np.int64}
"""The bits of the input of an affine -> the dtype of its bias."""


class TfliteIntegerOps(TfliteOps):
    """Writes operations on integers too; a value that is used as float and as integers is two tensors.

    Attributes:
        integer_values: values that are integers where they are computed or enter.
    """

    def __init__(self, named: NamedTrace, flat: Flat, destination: Destination, static: IntegerPlan) -> None:
        super().__init__(named, flat, destination)
        self.static = static
        before = {state.before.name for state in named.trace.states if state.name in static.io_quantization}
        self.integer_values = static.integer_values | before | ({INPUT} & static.io_quantization.keys())
        for output, ref in named.outs.items():
            is_float = self._output_qparams(output) is None
            if self.names[ref.name] == output and is_float == (ref.name in self.integer_values):
                self.names[ref.name] = ref.name  # it leaves in the other form, which gets the name of the output

    def input(self, ref: Ref, shape: Sequence[int], dtype: str) -> None:
        super().input(ref, shape, dtype)
        if ref.name in self.integer_values:
            self._own_integers(ref)

    def _part(self, whole: str, name: str, width: int) -> int:
        qparams = self.static.io_quantization.get(whole)
        return super()._part(whole, name, width) if qparams is None else self.flat.integers(name, (1, width), qparams)

    def _part_version(self, kind: str, whole: str) -> int:
        qparams = self.static.io_quantization.get(whole)
        return 1 if qparams is None else VERSIONS[kind][qparams.bits]

    def output(self, output: str, ref: Ref) -> None:
        qparams = self._output_qparams(output)
        if self.names[ref.name] == output:
            return
        if qparams is not None:
            self.flat.integers(output, (ref.positions, ref.width), qparams)
        self._reshaped(
            self._float(ref) if qparams is None else self._integers_of(ref, qparams), output, (ref.positions, ref.width)
        )

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if not self._native:
            return super().affine(weight, x, bias)
        assert weight.scale is not None
        ins = [self._value(x), self._stored(weight, weight.scale), ABSENT]
        if bias is not None:
            form, qparams = affine(self.op, self.static), self.static.quantization[x.name]
            added = (form.bias + qparams.zero * form.weight.sum(axis=1)).astype(BIAS[self._bits])
            scale = weight.scale * np.float32(qparams.scale)
            ins[-1] = self.flat.constant(f"{self.op.outputs[0].name}.bias", added, scale)
        return self._operator("FULLY_CONNECTED", ins, schema.FullyConnectedOptionsT())

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        if not self._native:
            return super().lookup(table, index)
        result, rows = self.op.outputs[0], lookup(self.op, self.static).table
        stored_rows = self.flat.integers(
            f"{result.name}.table", rows.shape, self.static.quantization[result.name], rows
        )
        return self._operator("GATHER", [stored_rows, super()._value(index)], schema.GatherOptionsT())

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        if not self.static.is_integer(self.op):
            return super().hold(x, last, threshold)
        steps = hold(self.op, self.static).steps + 0.5  # between two integers, whatever floats round to
        scale = self.static.quantization[x.name].scale
        return self._held(self._numbers(x), self._numbers(last), x, last, steps * scale)

    def log(self, x: Ref) -> Ref:
        return self._of_positive("LOG", x) if self.static.is_integer(self.op) else super().log(x)

    def sqrt(self, x: Ref) -> Ref:
        return self._of_positive("SQRT", x) if self.static.is_integer(self.op) else super().sqrt(x)

    def _of_positive(self, kind: str, x: Ref) -> Ref:
        """A function that is NaN for negative numbers, of `max(x, 0)`."""
        positive = self._inner("positive", x.width)
        self.flat.operator("RELU", [self._value(x)], [positive])
        return self._operator(kind, [positive])

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        return self._quantized(super().normalize(x, gain, bias, eps))

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        self._native, self._bits = False, 0
        if self.static.is_integer(op):
            refs = op.outputs if op.name in {"concat", "lookup"} else (*op.inputs, *op.outputs)
            known = [self.static.quantization[ref.name] for ref in refs if ref.name in self.static.quantization]
            self._bits = max(qparams.bits for qparams in known)  # of the operator's integers
            self._native = self._fits(op)
        return super().apply(op, args)

    def _fits(self, op: Op) -> bool:
        """Whether an integer operator computes the operation: its scales are in the range that every runtime takes."""
        if op.name in IN_FLOAT:
            return False
        quantization, to = self.static.quantization, self._result_qparams(op, op.outputs[0]).scale
        xs = [quantization[ref.name].scale for ref in op.inputs if ref.name in quantization]
        if op.name == "scale":
            by, plus = op.args[1:]
            if isinstance(by, Tensor) or isinstance(plus, Tensor) or by == 0.0 or (plus == 0.0) == (by == 1.0):
                return False
            name, xs = ("multiply", [*xs, abs(by)]) if plus == 0.0 else ("add", [*xs, abs(plus)])
        else:
            name = op.name
        if name in {"sigmoid", "tanh"}:
            return self._bits == 8 or xs[0] < MOST_OF_16_BITS
        if name == "affine":
            xs.append(float(op.args[0].scale.max()))
        if name in {"affine", "multiply"}:
            return LEAST.get(name, 0.0) <= prod(xs) / to < MOST
        return name not in LEAST or all(LEAST[name] <= x / to < MOST for x in xs)

    def _operator(self, kind: str, ins: Sequence[int], options: Any = None, version: int = 1) -> Ref:
        if self._native:
            version = VERSIONS[kind][self._bits]
            if hasattr(options, "potScaleInt16"):
                options.potScaleInt16 = False  # scales need not be powers of two
        return self._quantized(super()._operator(kind, ins, options, version))

    def _quantized(self, result: Ref) -> Ref:
        """The result of the operation, quantized where its operators compute it in float or with another scale."""
        for ref in self.op.outputs:
            if ref.name in self.static.integer_values and self._result(ref) != self._own_integers(ref):
                self._quantize(self._result(ref), self._own_integers(ref), self.static.quantization[ref.name])
        return result

    def _value(self, ref: Ref) -> int:
        """An input of the operation."""
        if not self._native:
            return self._float(ref)
        qparams = self.static.quantization[self.op.outputs[0].name if self.op.name == "concat" else ref.name]
        wide = QuantizationParameters(qparams.scale, 0, self._bits)
        return self._integers_of(ref, qparams if qparams.bits == self._bits else wide)

    def _result(self, ref: Ref) -> int:
        """What the operator computes: the value itself, or what is quantized to it."""
        if ref.name not in self.static.integer_values:
            return super()._result(ref)
        if not self._native:
            return self.flat.tensor(f"{ref.name}.exact", (ref.positions, ref.width))
        own = self._result_qparams(self.op, ref)
        if own == self.static.quantization[ref.name]:
            return self._own_integers(ref)
        return self.flat.integers(f"{ref.name}.wide", (ref.positions, ref.width), own)

    def _result_qparams(self, op: Op, ref: Ref) -> QuantizationParameters:
        """The quantization parameters of a result as its operator computes it."""
        to = self.static.quantization[ref.name]
        wide = QuantizationParameters(float(np.float32(to.reach * to.scale / 32767)), 0, 16)
        return FIXED_QPARAMS.get((op.name, self._bits), to if to.bits == self._bits else wide)

    def _like(self, x: Ref, role: str, positions: int, *, zeros: bool = False) -> int:
        if not self._native:
            return super()._like(x, role, positions, zeros=zeros)
        qparams, shape = self.static.quantization[x.name], (positions, x.width)
        data = np.full(shape, qparams.zero, f"int{qparams.bits}") if zeros else None
        return self.flat.integers(f"{self.op.outputs[0].name}.{role}", shape, qparams, data)

    def _version(self, kind: str) -> int:
        return VERSIONS[kind][self._bits] if self._native else super()._version(kind)

    def _factor(self, factor: Tensor | float, role: str) -> int:
        if not self._native or isinstance(factor, Tensor):
            return super()._factor(factor, role)
        one = QuantizationParameters(float(np.float32(abs(factor))), 0, self._bits)  # the integer is 1 or -1
        return self.flat.integers(f"{self.op.outputs[0].name}.{role}", (1, 1), one, np.full((1, 1), np.sign(factor)))

    def _own_integers(self, ref: Ref) -> int:
        """The integers of one of `integer_values`."""
        return self.flat.integers(self.names[ref.name], (ref.positions, ref.width), self.static.quantization[ref.name])

    def _float(self, ref: Ref) -> int:
        """A value as float."""
        return self._numbers(ref) if ref.name in self.integer_values else super()._value(ref)

    def _numbers(self, ref: Ref) -> int:
        """A value dequantized."""
        name, own = f"{ref.name}.float", self.static.quantization[ref.name]
        if name not in self.flat.index:
            ins, outs = [self._integers_of(ref, own)], [self.flat.tensor(name, (ref.positions, ref.width))]
            self.flat.operator("DEQUANTIZE", ins, outs, None, VERSIONS["DEQUANTIZE"][own.bits])
        return self.flat.index[name]

    def _integers_of(self, ref: Ref, qparams: QuantizationParameters) -> int:
        """A value as integers with these quantization parameters, rounded to its own first."""
        own = self.static.quantization[ref.name]
        if ref.name in self.integer_values and qparams == own:
            return self._own_integers(ref)
        name = f"{ref.name}.{qparams.bits}.{qparams.zero}.{qparams.scale:.9g}"
        if name not in self.flat.index:
            if qparams == own:
                source = self._float(ref)
            else:  # tflite-runtime has no operator from 8 to 16 bits
                far = own.bits < qparams.bits or not LEAST["relu"] <= own.scale / qparams.scale < MOST
                source = self._numbers(ref) if far else self._integers_of(ref, own)
            self._quantize(source, self.flat.integers(name, (ref.positions, ref.width), qparams), qparams)
        return self.flat.index[name]

    def _quantize(self, source: int, to: int, qparams: QuantizationParameters) -> None:
        version = VERSIONS["QUANTIZE"][qparams.bits]
        self.flat.operator("QUANTIZE", [source], [to], schema.QuantizeOptionsT(), version)

    def _output_qparams(self, output: str) -> QuantizationParameters | None:
        """The quantization parameters of an output; None for a float one."""
        return self.static.io_quantization.get(output.removesuffix(".out"))
