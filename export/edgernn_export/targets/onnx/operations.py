"""The words as nodes of ONNX."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, Tensor
from edgernn_export.targets.naming import NamedTrace

Array = NDArray[Any]

ZERO = 128  # the unsigned integer that stands for 0
ZERO_OF_FOUR = 8  # as above, in four bits


class OnnxOps:
    """Each word as nodes; a value is its Ref in the trace."""

    def __init__(self, planned: NamedTrace, late: Collection[str] = ()) -> None:
        self.plan = planned
        self.late = late  # values of affines that are written with the sum that reads them
        self.waiting: dict[str, list[str]] = {}  # their inputs
        self.names = dict(planned.names)  # of the values, where they are made
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.inside: set[str] = set()  # values that no word of the trace made
        self.op: Op

    def hear(self, op: Op) -> None:
        """Remember the word whose method is called next."""
        self.op = op

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if weight.scheme == DYNAMIC:
            return self._dynamic(weight, x, bias)
        ins = [self._name(x), self._matrix(weight)]
        if self.op.outputs[0].name in self.late:
            self.waiting[self.op.outputs[0].name] = ins
            return self.op.outputs[0]
        return self._node("Gemm", ins if bias is None else [*ins, self._constant(bias)], transB=1)

    def add(self, a: Ref, b: Ref) -> Ref:
        for one, other in ((a, b), (b, a)):
            if other.name in self.waiting:
                return self._node("Gemm", [*self.waiting[other.name], self._name(one)], transB=1)
        return self._node("Add", [self._name(a), self._name(b)])

    def subtract(self, a: Ref, b: Ref) -> Ref:
        return self._node("Sub", [self._name(a), self._name(b)])

    def multiply(self, a: Ref, b: Ref) -> Ref:
        return self._node("Mul", [self._name(a), self._name(b)])

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        if plus == 0.0:
            return self._node("Mul", [self._name(x), self._constant(by, "by")])
        if by == 1.0:
            return self._node("Add", [self._name(x), self._constant(plus, "plus")])
        scaled = f"{self.op.outputs[0].name}.scaled"
        self._inside("Mul", [self._name(x), self._constant(by, "by")], [scaled])
        return self._node("Add", [scaled, self._constant(plus, "plus")])

    def sigmoid(self, x: Ref) -> Ref:
        return self._node("Sigmoid", [self._name(x)])

    def tanh(self, x: Ref) -> Ref:
        return self._node("Tanh", [self._name(x)])

    def relu(self, x: Ref) -> Ref:
        return self._node("Relu", [self._name(x)])

    def softmax(self, x: Ref) -> Ref:
        return self._node("Softmax", [self._name(x)], axis=-1)

    def log(self, x: Ref) -> Ref:
        return self._node("Log", [self._name(x)])

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        self._node("Split", [self._name(x), self._shape(*sizes)], axis=1)
        return self.op.outputs

    def concat(self, *xs: Ref) -> Ref:
        return self._node("Concat", [self._name(x) for x in xs], axis=1)

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        return self._node("Gather", [self._constant(table), self._name(index)], axis=0)

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        ones = Tensor(np.ones(x.width, np.float32)) if gain is None else gain
        extra = [] if bias is None else [self._constant(bias)]
        names = [self._name(x), self._constant(ones, "ones"), *extra]
        return self._node("LayerNormalization", names, axis=-1, epsilon=eps)

    def result(self, output: str, ref: Ref) -> None:
        """An output: made under its name already, or the copy of a value that has another."""
        if self.names[ref.name] != output:
            self._copy(self.names[ref.name], output)

    def _matrix(self, weight: Tensor) -> str:
        """A matrix in float32, made of its smaller form when the model is loaded.

        By Cast and Mul, which ONNX Runtime folds into a constant; DequantizeLinear it would keep, and compute anew in
        every step.
        """
        if not weight.scheme:
            return self._constant(weight)
        name = self.plan.weight(weight, self.op)
        dense = f"{name}.dense"
        if dense in self.inside:
            return dense
        if weight.scheme == FOUR_BITS:
            self._unpack(weight, name, dense)
            return dense
        cast = dense if weight.scale is None else f"{name}.cast"
        self._inside("Cast", [self._store(name, weight.stored)], [cast], to=onnx.TensorProto.FLOAT)
        if weight.scale is not None:
            self._inside("Mul", [cast, self._store(f"{name}.scale", weight.scale[:, None])], [dense])
        return dense

    def _unpack(self, weight: Tensor, name: str, dense: str) -> None:
        """Two numbers out of each byte, by words that the opset has; ONNX Runtime folds these too into a constant.

        They are kept unsigned, with zero point 8: the rest by 16 of a byte, and of a sixteenth of it, are the halves.
        """
        assert weight.scale is not None
        rows, inputs = weight.shape
        columns, grouped = 2 * weight.stored.shape[1], weight.scale.ndim == 2
        cut = (rows, -1, inputs // weight.scale.shape[1]) if grouped else (rows, columns)
        steps: list[tuple[str, list[str], dict[str, int]]] = [
            ("Cast", [], {"to": onnx.TensorProto.INT32}),
            ("Div", [self._store("places", np.array([1, 16], np.int32))], {}),
            ("Mod", [self._store("sixteen", np.array(16, np.int32))], {}),
            ("Sub", [self._store("eight", np.array(ZERO_OF_FOUR, np.int32))], {}),
            ("Cast", [], {"to": onnx.TensorProto.FLOAT}),
            ("Reshape", [self._shape(*cut)], {}),
        ]
        if columns > inputs:
            steps.append(("Slice", [self._shape(0), self._shape(inputs), self._shape(1)], {}))
        steps.append(("Mul", [self._store(f"{name}.scale", weight.scale[..., None])], {}))
        if grouped:
            steps.append(("Reshape", [self._shape(rows, inputs)], {}))
        at = self._store(name, (weight.stored ^ (ZERO_OF_FOUR * 17))[:, :, None])
        for i, (kind, more, attributes) in enumerate(steps, 1):
            to = dense if i == len(steps) else f"{name}.{i}"
            self._inside(kind, [at, *more], [to], **attributes)
            at = to

    def _dynamic(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """The words of the standard, in the order that ONNX Runtime fuses to one DynamicQuantizeMatMul.

        The integers are kept unsigned, with zero point 128: on x86 without VNNI the runtime adds products of unsigned
        and signed bytes in 16 bits, which saturate; those of two unsigned bytes it does not.
        """
        assert weight.scale is not None
        made, name = self.op.outputs[0], self.plan.weight(weight, self.op)
        unsigned = (weight.stored.T.astype(np.int16) + ZERO).astype(np.uint8)
        q, step, zero = self._rounded(x)
        ins = [q, self._store(name, unsigned), zero, self._store("zero", np.array(ZERO, np.uint8))]
        sums, cast, scale, product = (f"{made.name}.{role}" for role in ("sums", "cast", "scale", "product"))
        self._inside("MatMulInteger", ins, [sums])
        self._inside("Cast", [sums], [cast], to=onnx.TensorProto.FLOAT)
        self._inside("Mul", [step, self._store(f"{name}.scale", weight.scale)], [scale])
        if bias is None:
            return self._node("Mul", [cast, scale])
        self._inside("Mul", [cast, scale], [product])
        return self._node("Add", [product, self._constant(bias)])

    def _rounded(self, x: Ref) -> tuple[str, str, str]:
        """A value as integers, the value of one step, and the integer that stands for 0: once, however many read it."""
        name = self._name(x)
        q, step, zero = (f"{name}.{role}" for role in ("rounded", "step", "zero"))
        if q not in self.inside:
            self._inside("DynamicQuantizeLinear", [name], [q, step, zero])
        return q, step, zero

    def _name(self, ref: Ref) -> str:
        """What the word reads."""
        return self.names[ref.name]

    def _copy(self, name: str, output: str) -> None:
        self.nodes.append(helper.make_node("Identity", [name], [output], output))

    def _node(self, kind: str, inputs: list[str], **attributes: float) -> Ref:
        made = self.op.outputs
        outputs = [self.names[ref.name] for ref in made]
        self.nodes.append(helper.make_node(kind, inputs, outputs, made[0].name, **attributes))
        return made[0]

    def _constant(self, given: Tensor | float, role: str = "") -> str:
        if isinstance(given, Tensor):
            weights = [arg for arg in self.op.args if isinstance(arg, Tensor)]
            name = self.plan.weight(given, self.op) if given in weights else f"{self.op.outputs[0].name}.{role}"
            array = given.dense(np.float32)
        else:
            name, array = f"{self.op.outputs[0].name}.{role}", np.array(given, np.float32)
        return self._store(name, array)

    def _inside(self, kind: str, inputs: list[str], outputs: list[str], **attributes: float) -> None:
        """A node for a value between words."""
        self.nodes.append(helper.make_node(kind, inputs, outputs, outputs[0], **attributes))
        self.inside.update(outputs)

    def _shape(self, *sizes: int) -> str:
        return self._store(f"sizes.{'.'.join(map(str, sizes))}", np.array(sizes, np.int64))

    def _store(self, name: str, array: Array) -> str:
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name
