"""Each word as TFLite operators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgernn.record import Ref, Word
from edgernn.tensor import Tensor
from edgernn_export.targets.plan import Plan
from edgernn_export.targets.tflite.flat import ABSENT, Flat

AXIS = 1  # of the values, which are (1, width)


class TfliteWords:
    """Each word as operators of float32; a value is its Ref in the trace."""

    def __init__(self, planned: Plan, flat: Flat) -> None:
        self.plan = planned
        self.flat = flat
        self.word: Word

    def hear(self, word: Word) -> None:
        """Remember the word whose method is called next."""
        self.word = word

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        ins = [self._value(x), self._weight(weight), ABSENT if bias is None else self._weight(bias)]
        return self._operator("FULLY_CONNECTED", ins, schema.FullyConnectedOptionsT())

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
        return self.word.made

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
        last: Ref = self.word.made[0]
        steps: list[tuple[str, int, Any]] = [("MUL", root, schema.MulOptionsT())]
        steps += [] if gain is None else [("MUL", self._weight(gain), schema.MulOptionsT())]
        steps += [] if bias is None else [("ADD", self._weight(bias), schema.AddOptionsT())]
        at = centred
        for i, (kind, operand, options) in enumerate(steps):
            to = self._value(last) if i == len(steps) - 1 else self._inner(f"normal.{i}", x.width)
            self.flat.operator(kind, [at, operand], [to], options)
            at = to
        return last

    def copy(self, name: str, output: str, width: int) -> None:
        """An output that repeats another value."""
        shape = self._integers(f"shape.{width}", [1, width])
        options = schema.ReshapeOptionsT()
        options.newShape = [1, width]
        self.flat.operator("RESHAPE", [self.flat.index[name], shape], [self.flat.tensor(output, (1, width))], options)

    def _value(self, ref: Ref) -> int:
        return self.flat.tensor(self.plan.names[ref.name], (1, ref.width))

    def _inner(self, role: str, width: int) -> int:
        return self.flat.tensor(f"{self.word.made[0].name}.{role}", (1, width))

    def _operator(self, kind: str, ins: Sequence[int], options: Any = None) -> Ref:
        self.flat.operator(kind, ins, [self._value(ref) for ref in self.word.made], options)
        return self.word.made[0]

    def _weight(self, tensor: Tensor) -> int:
        return self.flat.constant(self.plan.weight(tensor, self.word), tensor.dense(np.float32))

    def _factor(self, given: Tensor | float, role: str) -> int:
        if isinstance(given, Tensor):
            return self._weight(given)
        return self.flat.constant(f"{self.word.made[0].name}.{role}", np.full((1, 1), given, np.float32))

    def _integers(self, name: str, values: int | Sequence[int]) -> int:
        return self.flat.constant(name, np.array(values, np.int32))
