"""The operations as operators of TFLite."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.array import Array
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, Tensor
from edgernn_export.targets.destination import Destination
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.tflite.flat import ABSENT, Flat
from edgernn_export.targets.tflite.parts import AXIS, PartOps
from edgernn_export.targets.tflite.spectra import SpectrumOps

ELEMENTWISE = {"ADD": schema.AddOptionsT, "MUL": schema.MulOptionsT}

DEQUANTIZE = {"float16": 3, "int8": 5, "int4": 6}
"""The dtype of the input -> the version of the operator; integers have one scale per row.

LiteRT's delegate leaves matrices of int4 to the plain kernels. So four bits make the smallest file and not the fastest
step, least of all with a scale per group, where the matrix is reshaped in every step.
"""

HYBRID_ONE_SCALE, HYBRID_ROW_SCALES = 3, 12
"""The versions of FULLY_CONNECTED for float values and int8 weights.

The version protects an old runtime: tflite-runtime refuses 12; with an older version it would ignore scales per row.
"""


class TfliteOps(SpectrumOps, PartOps):
    """Writes operations as operators on float32; a value is its Ref in the trace.

    Args:
        named: the graph and the names of its values.
        flat: the model that they are added to.
        destination: the runtime that will run it.

    Attributes:
        names: value of the trace -> its name in the file.
        op: the operation that is being written.
    """

    def __init__(self, named: NamedTrace, flat: Flat, destination: Destination) -> None:
        self.named = named
        self.names = dict(named.names)
        self.flat = flat
        self.destination = destination
        self.op: Op

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Write one operation; its method reads it from `self.op`."""
        self.op = op
        return super().apply(op, args)

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if weight.scheme != DYNAMIC:
            return self._connected(self._dense(weight), x, bias, version=1)
        if not self.destination.runtime.row_scales:
            return self._one_scale(weight, x, bias)
        return self._connected(self._stored(weight, weight.scale), x, bias, HYBRID_ROW_SCALES)

    def add(self, a: Ref, b: Ref) -> Ref:
        return self._operator("ADD", [self._value(a), self._value(b)], schema.AddOptionsT())

    def subtract(self, a: Ref, b: Ref) -> Ref:
        return self._operator("SUB", [self._value(a), self._value(b)], schema.SubOptionsT())

    def multiply(self, a: Ref, b: Ref) -> Ref:
        return self._operator("MUL", [self._value(a), self._value(b)], schema.MulOptionsT())

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        if plus == 0.0:
            return self._operator("MUL", [self._value(x), self._factor(by, "by")], schema.MulOptionsT())
        if by == 1.0:
            return self._operator("ADD", [self._value(x), self._factor(plus, "plus")], schema.AddOptionsT())
        scaled = self._inner("scaled", x.width)
        self.flat.operator("MUL", [self._value(x), self._factor(by, "by")], [scaled], schema.MulOptionsT())
        return self._operator("ADD", [scaled, self._factor(plus, "plus")], schema.AddOptionsT())

    def sigmoid(self, x: Ref) -> Ref:
        return self._operator("LOGISTIC", [self._value(x)])

    def tanh(self, x: Ref) -> Ref:
        return self._operator("TANH", [self._value(x)])

    def relu(self, x: Ref) -> Ref:
        return self._operator("RELU", [self._value(x)])

    def softmax(self, x: Ref) -> Ref:
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._operator("SOFTMAX", [self._value(x)], options)

    def log(self, x: Ref) -> Ref:
        return self._operator("LOG", [self._value(x)])

    def exp(self, x: Ref) -> Ref:
        return self._operator("EXP", [self._value(x)], schema.ExpOptionsT())

    def sqrt(self, x: Ref) -> Ref:
        return self._operator("SQRT", [self._value(x)])

    def divide(self, a: Ref, b: Ref) -> Ref:
        return self._operator("DIV", [self._value(a), self._value(b)], schema.DivOptionsT())

    def maximum(self, a: Ref, b: Ref) -> Ref:
        return self._operator("MAXIMUM", [self._value(a), self._value(b)], schema.MaximumMinimumOptionsT())

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        axis = self._integers("axis", AXIS)
        if len(set(sizes)) == 1:
            options = schema.SplitOptionsT()
            options.numSplits = len(sizes)
            self._operator("SPLIT", [axis, self._value(x)], options)
        else:
            options = schema.SplitVOptionsT()
            options.numSplits = len(sizes)
            cut = self._integers(f"sizes.{'.'.join(map(str, sizes))}", sizes)
            self._operator("SPLIT_V", [self._value(x), cut, axis], options)
        return self.op.outputs

    def concat(self, *xs: Ref) -> Ref:
        options = schema.ConcatenationOptionsT()
        options.axis = AXIS
        return self._operator("CONCATENATION", [self._value(x) for x in xs], options)

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        return self._operator("GATHER", [self._weight(table), self._value(index)], schema.GatherOptionsT())

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        value, keep = self._value(x), schema.ReducerOptionsT()
        keep.keepDims = True
        axes = self._integers("axes", [AXIS])
        mean, variance, plus, root = (self._inner(name, 1) for name in ("mean", "variance", "variance.plus", "root"))
        centred, square = self._inner("centred", x.width), self._inner("square", x.width)
        self.flat.operator("MEAN", [value, axes], [mean], keep)
        self.flat.operator("SUB", [value, mean], [centred], schema.SubOptionsT())
        self.flat.operator("MUL", [centred, centred], [square], schema.MulOptionsT())
        self.flat.operator("MEAN", [square, axes], [variance], keep)
        self.flat.operator("ADD", [variance, self._factor(eps, "eps")], [plus], schema.AddOptionsT())
        self.flat.operator("RSQRT", [plus], [root])
        steps = [("MUL", root)]
        steps += [] if gain is None else [("MUL", self._weight(gain))]
        steps += [] if bias is None else [("ADD", self._weight(bias))]
        return self._chain(centred, steps)

    def reshape(self, x: Ref, _before: int, after: int) -> Ref:
        sizes, options = (after, self.op.widths[0]), schema.ReshapeOptionsT()
        options.newShape = list(sizes)
        return self._operator("RESHAPE", [self._value(x), self._shape(sizes)], options)

    def gather(self, x: Ref, before: int, index: Sequence[int]) -> Ref:
        value, rows = self._value(x), np.array(index, np.int32)
        if -1 in index:
            value, rows = self._with_zeros(value, x), np.where(rows < 0, before, rows).astype(np.int32)
        at = self.flat.constant(f"{self.op.outputs[0].name}.index", rows)
        return self._operator("GATHER", [value, at], schema.GatherOptionsT())

    def sum(self, x: Ref, _before: int, size: int) -> Ref:
        return self._reduced("SUM", x, size)

    def largest(self, x: Ref, _before: int, size: int) -> Ref:
        return self._reduced("REDUCE_MAX", x, size)

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        return self._held(self._value(x), self._value(last), x, last, threshold)

    def _held(self, new: int, old: int, x: Ref, last: Ref, threshold: float) -> Ref:
        """The last element where it is near: `new` and `old` are x and last as float."""
        roles = {"difference": "float32", "size": "float32", "near": "bool"}
        name, shape = self.op.outputs[0].name, (x.positions, x.width)
        difference, size, near = (self.flat.tensor(f"{name}.{role}", shape, dtype) for role, dtype in roles.items())
        self.flat.operator("SUB", [new, old], [difference], schema.SubOptionsT())
        self.flat.operator("ABS", [difference], [size], schema.AbsOptionsT())
        bound = self.flat.constant(f"{name}.threshold", np.full((1, 1), threshold, np.float32))
        self.flat.operator("LESS_EQUAL", [size, bound], [near], schema.LessEqualOptionsT())
        return self._operator("SELECT", [near, self._value(last), self._value(x)], schema.SelectOptionsT())

    def input(self, ref: Ref, shape: Sequence[int], dtype: str) -> None:
        """Add an input of the artifact."""
        self.flat.tensor(ref.name, shape, dtype)

    def output(self, output: str, ref: Ref) -> None:
        """Make a value an output of the artifact: a copy, unless it has the name of the output already."""
        if self.names[ref.name] != output:
            self._reshaped(self._value(ref), output, (ref.positions, ref.width))

    def _with_zeros(self, value: int, x: Ref) -> int:
        """A value with one more position, of zeros."""
        full, options = self._like(x, "full", x.positions + 1), schema.ConcatenationOptionsT()
        options.axis = 0
        zeros = self._like(x, "zeros", 1, zeros=True)
        self.flat.operator("CONCATENATION", [value, zeros], [full], options, self._version("CONCATENATION"))
        return full

    def _like(self, x: Ref, role: str, positions: int, *, zeros: bool = False) -> int:
        """A tensor of the operation with the width and type of an input; a constant where it is zeros."""
        data = np.zeros((positions, x.width), np.float32) if zeros else None
        return self.flat.tensor(f"{self.op.outputs[0].name}.{role}", (positions, x.width), data=data)

    def _version(self, _kind: str) -> int:
        """The version of an operator that only moves elements."""
        return 1

    def _reduced(self, kind: str, x: Ref, size: int) -> Ref:
        """A sum or maximum over groups of positions: over the middle axis of (groups, size, width)."""
        name, options = f"{self.op.outputs[0].name}.groups", schema.ReducerOptionsT()
        options.keepDims = False
        groups = self._reshaped(self._value(x), name, (self.op.positions, size, x.width))
        return self._operator(kind, [groups, self._integers("axes", [AXIS])], options)

    def _shape(self, sizes: Sequence[int]) -> int:
        return self._integers(f"shape.{'.'.join(map(str, sizes))}", sizes)

    def _reshaped(self, tensor: int, name: str, shape: Sequence[int]) -> int:
        result, sizes = self.flat.tensor(name, shape), self._shape(shape)
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        self.flat.operator("RESHAPE", [tensor, sizes], [result], options)
        return result

    def _connected(self, matrix: int, x: Ref, bias: Tensor | None, version: int) -> Ref:
        ins = [self._value(x), matrix, ABSENT if bias is None else self._weight(bias)]
        return self._operator("FULLY_CONNECTED", ins, schema.FullyConnectedOptionsT(), version)

    def _one_scale(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """With the scale 1 for the weights, then a product with the scales of the rows: correct on every runtime."""
        assert weight.scale is not None
        sums = self._inner("sums", self.op.outputs[0].width)
        ins = [self._value(x), self._stored(weight, np.ones(1)), ABSENT]
        self.flat.operator("FULLY_CONNECTED", ins, [sums], schema.FullyConnectedOptionsT(), HYBRID_ONE_SCALE)
        scale = self.flat.constant(f"{self.named.weight(weight, self.op)}.scale", weight.scale)
        return self._chain(sums, [("MUL", scale), *([] if bias is None else [("ADD", self._weight(bias))])])

    def _dense(self, weight: Tensor) -> int:
        """A matrix in float32, which the runtime makes of its smaller form when it loads the model."""
        if not weight.scheme:
            return self._weight(weight)
        name = f"{self.named.weight(weight, self.op)}.dense"
        if name in self.flat.index:
            return self.flat.index[name]
        dtype = self._dtype(weight)
        if weight.scale is None or weight.scale.ndim == 1:
            dense = self.flat.tensor(name, weight.shape)
            self.flat.operator("DEQUANTIZE", [self._stored(weight, weight.scale)], [dense], version=DEQUANTIZE[dtype])
            return dense
        rows = weight.integers.reshape(weight.scale.size, -1)  # each group as a row with its own scale
        stored = self.flat.constant(self.named.weight(weight, self.op), rows, weight.scale.reshape(-1), dtype)
        groups = self.flat.tensor(f"{name}.groups", rows.shape)
        self.flat.operator("DEQUANTIZE", [stored], [groups], version=DEQUANTIZE[dtype])
        return self._reshaped(groups, name, weight.shape)

    def _dtype(self, weight: Tensor) -> str:
        """The dtype of a matrix in the file; int8 for a runtime without int4."""
        if weight.scheme == FOUR_BITS:
            return "int4" if self.destination.runtime.int4 else "int8"
        return weight.stored.dtype.name

    def _stored(self, weight: Tensor, scale: Array | None) -> int:
        stored = weight.stored if weight.scale is None else weight.integers
        return self.flat.constant(self.named.weight(weight, self.op), stored, scale, self._dtype(weight))

    def _chain(self, at: int, steps: Sequence[tuple[str, int]]) -> Ref:
        """Elementwise operators in a chain, each with one operand; the last computes the result of the operation."""
        result = self.op.outputs[0]
        for i, (kind, operand) in enumerate(steps, 1):
            to = self._result(result) if i == len(steps) else self._inner(f"{kind}.{i}", result.width)
            self.flat.operator(kind, [at, operand], [to], ELEMENTWISE[kind]())
            at = to
        return result

    def _value(self, ref: Ref) -> int:
        return self.flat.tensor(self.names[ref.name], (ref.positions, ref.width))

    def _result(self, ref: Ref) -> int:
        return self.flat.tensor(self.names[ref.name], (ref.positions, ref.width))

    def _inner(self, role: str, width: int) -> int:
        return self.flat.tensor(f"{self.op.outputs[0].name}.{role}", (self.op.positions, width))

    def _operator(self, kind: str, ins: Sequence[int], options: Any = None, version: int = 1) -> Ref:
        self.flat.operator(kind, ins, [self._result(ref) for ref in self.op.outputs], options, version)
        return self.op.outputs[0]

    def _weight(self, tensor: Tensor) -> int:
        return self.flat.constant(self.named.weight(tensor, self.op), tensor.dense(np.float32))

    def _factor(self, factor: Tensor | float, role: str) -> int:
        if isinstance(factor, Tensor):
            return self._weight(factor)
        return self.flat.constant(f"{self.op.outputs[0].name}.{role}", np.full((1, 1), factor, np.float32))
