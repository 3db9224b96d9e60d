"""The words of static layers as TFLite's integer operators, which LiteRT and tflite-runtime both have.

An operator reads and makes integers of equal bits. Where the grids of a word differ in that, what it reads in 8 bits is
made 16, which loses nothing, and what it makes is rounded to 8 again. `scale` has no operator of its own: with one
number as factor it is a product with a constant; all else goes through float between DEQUANTIZE and QUANTIZE, and so do
`normalize`, `softmax`, `log`, and words that stay float.

Given the same integers, an operator is within a step of its grid from edgernn.interpreters.integer on every kernel;
tanh and sigmoid of 16 bits, which are made from another table, within 3. Kernels do not agree among themselves:
LiteRT's delegate rounds once, as the definition does, its plain kernels and those of tflite-runtime twice here and
there.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.integer.forms import affine, lookup
from edgernn.integer.plan import FIXED_QPARAMS, INNER_OPERATIONS, IntegerPlan, QuantizationParameters
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
    "SPLIT": {8: 2, 16: 4},
    "SPLIT_V": {8: 2, 16: 2},
    "SUB": {8: 2, 16: 5},
    "TANH": {8: 2, 16: 3},
}
"""The operator -> the bits of its integers -> its version, as TensorFlow's op_version.cc gives them."""

LEAST: Mapping[str, float] = {"add": 2**-10, "subtract": 2**-10, "multiply": 2**-16, "relu": 2**-8}
MOST = 2**7
"""The steps of what a word reads, or their product, in steps of what it makes: from the least to below the most.

LiteRT's delegate fails on some that are beyond, and plain kernels end the process; such a word is computed in float.
"""

MOST_OF_16_BITS = 2.0  # the step of what sigmoid and tanh read: from 2.7 on the kernels' own factor overflows

IN_FLOAT = ("normalize", *INNER_OPERATIONS)
"""The words that no operator of integers says on both runtimes."""

BIAS = {8: np.int32, 16: np.int64}
"""The bits of what an affine reads -> what its bias is made of."""


class TfliteIntegerOps(TfliteOps):
    """Words with integers among them; a value that is float somewhere and integers elsewhere is two tensors."""

    def __init__(self, planned: NamedTrace, flat: Flat, destination: Destination, static: IntegerPlan) -> None:
        super().__init__(planned, flat, destination)
        self.static = static
        before = {state.before.name for state in planned.trace.states if state.name in static.io_quantization}
        self.held = (
            static.integer_values | before | ({INPUT} & static.io_quantization.keys())
        )  # values that are integers where they begin
        for output, ref in planned.outs.items():
            if self.names[ref.name] == output and (self._leaves(output) is None) == (ref.name in self.held):
                self.names[ref.name] = ref.name  # it leaves in the other form, which takes this name

    def enter(self, ref: Ref, shape: Sequence[int], dtype: str) -> None:
        super().enter(ref, shape, dtype)
        if ref.name in self.held:
            self._held(ref)

    def leave(self, output: str, ref: Ref) -> None:
        qparams = self._leaves(output)
        if self.names[ref.name] == output:
            return
        if qparams is not None:
            self.flat.integers(output, (1, ref.width), qparams)
        self._reshaped(self._float(ref) if qparams is None else self._on(ref, qparams), output, (1, ref.width))

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if not self._native:
            return super().affine(weight, x, bias)
        assert weight.scale is not None
        ins = [self._value(x), self._stored(weight, weight.scale), ABSENT]
        if bias is not None:
            form, of = affine(self.op, self.static), self.static.quantization[x.name]
            whole = (form.bias + of.zero * form.weight.sum(axis=1)).astype(BIAS[self._bits])
            ins[-1] = self.flat.constant(f"{self.op.outputs[0].name}.bias", whole, weight.scale * np.float32(of.scale))
        return self._operator("FULLY_CONNECTED", ins, schema.FullyConnectedOptionsT())

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        if not self._native:
            return super().lookup(table, index)
        made, rows = self.op.outputs[0], lookup(self.op, self.static).table
        kept = self.flat.integers(f"{made.name}.table", rows.shape, self.static.quantization[made.name], rows)
        return self._operator("GATHER", [kept, super()._value(index)], schema.GatherOptionsT())

    def log(self, x: Ref) -> Ref:
        if not self.static.is_integer(self.op):
            return super().log(x)
        positive = self._inner("positive", x.width)  # of what is below 0 there is no logarithm
        self.flat.operator("RELU", [self._value(x)], [positive])
        return self._operator("LOG", [positive])

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        return self._on_its_integers(super().normalize(x, gain, bias, eps))

    def hear(self, op: Op) -> None:
        super().hear(op)
        if not self.static.is_integer(op):
            self._native, self._bits = False, 0
            return
        refs = op.outputs if op.name in {"concat", "lookup"} else (*op.inputs, *op.outputs)
        self._bits = max(self.static.quantization[ref.name].bits for ref in refs)  # of the operator's integers
        self._native = self._fits(op)

    def _fits(self, op: Op) -> bool:
        """Whether an operator of integers says the word: its steps are of a size that every runtime takes."""
        if op.name in IN_FLOAT:
            return False
        quantization = self.static.quantization
        to, xs = (
            self._own(op.outputs[0]).scale,
            [quantization[ref.name].scale for ref in op.inputs if ref.name in quantization],
        )
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
                options.potScaleInt16 = False  # scales that are no powers of two
        return self._on_its_integers(super()._operator(kind, ins, options, version))

    def _on_its_integers(self, made: Ref) -> Ref:
        """What the word makes, rounded where its operators make it in float or on another grid."""
        for ref in self.op.outputs:
            if ref.name in self.static.integer_values and self._made(ref) != self._held(ref):
                self._rounded(self._made(ref), self._held(ref), self.static.quantization[ref.name])
        return made

    def _value(self, ref: Ref) -> int:
        """What the word reads."""
        if not self._native:
            return self._float(ref)
        qparams = self.static.quantization[self.op.outputs[0].name if self.op.name == "concat" else ref.name]
        return self._on(
            ref, qparams if qparams.bits == self._bits else QuantizationParameters(qparams.scale, 0, self._bits)
        )

    def _made(self, ref: Ref) -> int:
        """What the operator makes: the value itself, or one that is rounded to it."""
        if ref.name not in self.static.integer_values:
            return super()._made(ref)
        if not self._native:
            return self.flat.tensor(f"{ref.name}.exact", (1, ref.width))
        own = self._own(ref)
        if own == self.static.quantization[ref.name]:
            return self._held(ref)
        return self.flat.integers(f"{ref.name}.wide", (1, ref.width), own)

    def _own(self, ref: Ref) -> QuantizationParameters:
        """The grid on which the operator makes a value of the word."""
        to = self.static.quantization[ref.name]
        wide = QuantizationParameters(float(np.float32(to.reach * to.scale / 32767)), 0, 16)
        return FIXED_QPARAMS.get((self.op.name, self._bits), to if to.bits == self._bits else wide)

    def _factor(self, given: Tensor | float, role: str) -> int:
        if not self._native or isinstance(given, Tensor):
            return super()._factor(given, role)
        one = QuantizationParameters(float(np.float32(abs(given))), 0, self._bits)  # so 1 or -1 is the number itself
        return self.flat.integers(f"{self.op.outputs[0].name}.{role}", (1, 1), one, np.full((1, 1), np.sign(given)))

    def _held(self, ref: Ref) -> int:
        """A value's own integers, where it begins as such."""
        return self.flat.integers(self.names[ref.name], (1, ref.width), self.static.quantization[ref.name])

    def _float(self, ref: Ref) -> int:
        """A value as float."""
        return self._numbers(ref) if ref.name in self.held else super()._value(ref)

    def _numbers(self, ref: Ref) -> int:
        """What the integers of a value stand for."""
        name, own = f"{ref.name}.float", self.static.quantization[ref.name]
        if name not in self.flat.index:
            ins, outs = [self._on(ref, own)], [self.flat.tensor(name, (1, ref.width))]
            self.flat.operator("DEQUANTIZE", ins, outs, None, VERSIONS["DEQUANTIZE"][own.bits])
        return self.flat.index[name]

    def _on(self, ref: Ref, qparams: QuantizationParameters) -> int:
        """A value as integers on a grid, rounded to its own first."""
        own = self.static.quantization[ref.name]
        if ref.name in self.held and qparams == own:
            return self._held(ref)
        name = f"{ref.name}.{qparams.bits}.{qparams.zero}.{qparams.scale:.9g}"
        if name not in self.flat.index:
            if qparams == own:
                given = self._float(ref)
            else:  # no operator of tflite-runtime makes 16 bits of 8
                far = own.bits < qparams.bits or not LEAST["relu"] <= own.scale / qparams.scale < MOST
                given = self._numbers(ref) if far else self._on(ref, own)
            self._rounded(given, self.flat.integers(name, (1, ref.width), qparams), qparams)
        return self.flat.index[name]

    def _rounded(self, given: int, to: int, qparams: QuantizationParameters) -> None:
        version = VERSIONS["QUANTIZE"][qparams.bits]
        self.flat.operator("QUANTIZE", [given], [to], schema.QuantizeOptionsT(), version)

    def _leaves(self, output: str) -> QuantizationParameters | None:
        """The grid on which an output leaves, or None for one that is float."""
        return self.static.io_quantization.get(output.removesuffix(".out"))
