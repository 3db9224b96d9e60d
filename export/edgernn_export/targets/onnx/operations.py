"""The operations as nodes of ONNX."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, Tensor
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.onnx.parts import PartOps
from edgernn_export.targets.onnx.spectra import SpectrumOps

ZERO = 128  # zero point of unsigned bytes
REACH = 127  # the largest integer of a value that is rounded
SILENCE = 1e-30  # the least of the largest number in a position, so that nothing is divided by zero
ANY = -1  # an axis whose size follows from the rest: the positions of all streams
ZERO_OF_FOUR = 8  # zero point of four unsigned bits


class OnnxOps(PartOps, SpectrumOps):
    """Writes operations as nodes; a value is its Ref in the trace.

    Args:
        named: the graph and the names of its values.
        late: the names of results of affines that are written as one Gemm with the sum that reads them.

    Attributes:
        names: value of the trace -> its name in the file.
        nodes: in order.
        weights: the constants of the file, by name.
        inner: names in the file of values that are not in the trace.
        op: the operation that is being written.
    """

    def __init__(self, named: NamedTrace, late: Collection[str] = ()) -> None:
        self.named = named
        self.late = late
        self.names = dict(named.names)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.inner: set[str] = set()
        self._late_inputs: dict[str, list[str]] = {}
        self.op: Op

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Write one operation; its method reads it from `self.op`."""
        self.op = op
        return super().apply(op, args)

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if weight.scheme == DYNAMIC:
            return self._dynamic(weight, x, bias)
        ins = [self._name(x), self._matrix(weight)]
        if self.op.outputs[0].name in self.late:
            self._late_inputs[self.op.outputs[0].name] = ins
            return self.op.outputs[0]
        return self._node("Gemm", ins if bias is None else [*ins, self._constant(bias)], transB=1)

    def add(self, a: Ref, b: Ref) -> Ref:
        for one, other in ((a, b), (b, a)):
            if other.name in self._late_inputs:
                return self._node("Gemm", [*self._late_inputs[other.name], self._name(one)], transB=1)
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
        self._inner_node("Mul", [self._name(x), self._constant(by, "by")], [scaled])
        return self._node("Add", [scaled, self._constant(plus, "plus")])

    def _of_one(self, x: Ref) -> Ref:
        return self._node(self.op.name.capitalize(), [self._name(x)])

    sigmoid = tanh = relu = log = exp = sqrt = _of_one

    def softmax(self, x: Ref) -> Ref:
        return self._node("Softmax", [self._name(x)], axis=-1)

    def divide(self, a: Ref, b: Ref) -> Ref:
        return self._node("Div", [self._name(a), self._name(b)])

    def maximum(self, a: Ref, b: Ref) -> Ref:
        return self._node("Max", [self._name(a), self._name(b)])

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

    def reshape(self, x: Ref, _before: int, _after: int) -> Ref:
        return self._node("Reshape", [self._name(x), self._shape(ANY, self.op.widths[0])])

    def gather(self, x: Ref, before: int, index: Sequence[int]) -> Ref:
        result, name, rows = self.op.outputs[0], self._name(x), np.array(index, np.int64)
        if -1 in index:
            zeros, full = self._zeros(x), f"{result.name}.full"
            self._inner_node("Concat", [name, zeros], [full], axis=0)
            name, rows = full, np.where(rows < 0, before, rows)
        return self._node("Gather", [name, self._store(f"{result.name}.index", rows)], axis=0)

    def sum(self, x: Ref, _before: int, size: int) -> Ref:
        return self._node("ReduceSum", [self._groups(x, size), self._shape(1)], keepdims=0)

    def largest(self, x: Ref, _before: int, size: int) -> Ref:
        pooled = self._pooled(self._name(x), size, x.width)
        return self._node("Reshape", [pooled, self._shape(ANY, x.width)])

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        return self._node(
            "Where", [self._near(self._name(x), self._name(last), threshold), *map(self._name, (last, x))]
        )

    def _near(self, x: str, last: str, threshold: float) -> str:
        """The name of whether each element differs from the last by at most a threshold."""
        difference, size, near = (f"{self.op.outputs[0].name}.{role}" for role in ("difference", "size", "near"))
        self._inner_node("Sub", [x, last], [difference])
        self._inner_node("Abs", [difference], [size])
        self._inner_node("LessOrEqual", [size, self._constant(threshold, "threshold")], [near])
        return near

    def output(self, output: str, ref: Ref) -> None:
        """Write an output: nothing when the value has its name already, else a copy."""
        if self.names[ref.name] != output:
            self._copy(self.names[ref.name], output)

    def _zeros(self, x: Ref) -> str:
        """The name of one more position of a value, of zeros."""
        return self._store(f"{self.op.outputs[0].name}.zeros", np.zeros((1, x.width), np.float32))

    def _pooled(self, name: str, size: int, width: int) -> str:
        """The largest of each group of positions; the axes of ReduceMax are written differently in each opset."""
        groups, pooled = (f"{self.op.outputs[0].name}.{role}" for role in ("groups", "pooled"))
        self._inner_node("Reshape", [name, self._shape(ANY, 1, size, width)], [groups])
        self._inner_node("MaxPool", [groups], [pooled], kernel_shape=[size, 1])
        return pooled

    def _groups(self, x: Ref, size: int) -> str:
        """The name of a value with its positions in groups: (groups, size, width)."""
        groups = f"{self.op.outputs[0].name}.groups"
        self._inner_node("Reshape", [self._name(x), self._shape(ANY, size, x.width)], [groups])
        return groups

    def _matrix(self, weight: Tensor) -> str:
        """A matrix in float32, which the runtime makes of its smaller form when it loads the model.

        Cast and Mul are folded into a constant by ONNX Runtime. It would keep DequantizeLinear, and compute it in every
        step.
        """
        if not weight.scheme:
            return self._constant(weight)
        name = self.named.weight(weight, self.op)
        dense = f"{name}.dense"
        if dense in self.inner:
            return dense
        if weight.scheme == FOUR_BITS:
            self._unpack(weight, name, dense)
            return dense
        cast = dense if weight.scale is None else f"{name}.cast"
        self._inner_node("Cast", [self._store(name, weight.stored)], [cast], to=onnx.TensorProto.FLOAT)
        if weight.scale is not None:
            self._inner_node("Mul", [cast, self._store(f"{name}.scale", weight.scale[:, None])], [dense])
        return dense

    def _unpack(self, weight: Tensor, name: str, dense: str) -> None:
        """Two weights out of each byte, with operators that ONNX Runtime folds into a constant as well.

        The weights are stored unsigned, with zero point 8: a byte modulo 16, and its 16th part, are the two.
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
            self._inner_node(kind, [at, *more], [to], **attributes)
            at = to

    def _dynamic(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """The operators of the standard, in the order that ONNX Runtime fuses to one DynamicQuantizeMatMul.

        The weights are stored unsigned, with zero point 128. On x86 without VNNI the runtime adds products of unsigned
        and signed bytes in 16 bits, which saturate; it does not so with products of two unsigned bytes.
        """
        assert weight.scale is not None
        result, name = self.op.outputs[0], self.named.weight(weight, self.op)
        unsigned = (weight.stored.T.astype(np.int16) + ZERO).astype(np.uint8)
        q, step, zero = self._rounded(x)
        ins = [q, self._store(name, unsigned), zero, self._store("zero", np.array(ZERO, np.uint8))]
        sums, cast, scale, product = (f"{result.name}.{role}" for role in ("sums", "cast", "scale", "product"))
        self._inner_node("MatMulInteger", ins, [sums])
        self._inner_node("Cast", [sums], [cast], to=onnx.TensorProto.FLOAT)
        rows = self._store(f"{name}.scale", weight.scale)
        if x.positions > 1:  # one product after the other: ONNX Runtime takes their own product for that of one step
            self._inner_node("Mul", [cast, step], [scale])
            cast, scale = scale, rows
        else:
            self._inner_node("Mul", [step, rows], [scale])
        if bias is None:
            return self._node("Mul", [cast, scale])
        self._inner_node("Mul", [cast, scale], [product])
        return self._node("Add", [product, self._constant(bias)])

    def _rounded(self, x: Ref) -> tuple[str, str, str]:
        """The names of a value's integers, scale and zero point; it is rounded once for all that read it."""
        name = self._name(x)
        q, step, zero = (f"{name}.{role}" for role in ("rounded", "step", "zero"))
        if x.positions > 1:
            zero = self._store("zero", np.array(ZERO, np.uint8))
        if q not in self.inner and x.positions > 1:
            self._round_each(x, name, q, step, zero)
        elif q not in self.inner:
            self._inner_node("DynamicQuantizeLinear", [name], [q, step, zero])
        return q, step, zero

    def _round_each(self, x: Ref, name: str, q: str, step: str, zero: str) -> None:
        """Round each position with a scale of its own, which DynamicQuantizeLinear does not: step is (positions, 1)."""
        roles = ("size", "row", "pooled", "largest", "most", "inverse", "scaled")
        size, row, pooled, largest, most, inverse, scaled = (f"{name}.{role}" for role in roles)
        reach, one = self._store("reach", np.array(REACH, np.float32)), self._store("one", np.array(1, np.float32))
        self._inner_node("Abs", [name], [size])
        self._inner_node("Reshape", [size, self._shape(x.positions, 1, x.width)], [row])
        self._inner_node("MaxPool", [row], [pooled], kernel_shape=[x.width])
        self._inner_node("Reshape", [pooled, self._shape(x.positions, 1)], [largest])
        self._inner_node("Max", [largest, self._store("silence", np.array(SILENCE, np.float32))], [most])
        self._inner_node("Div", [reach, most], [inverse])
        self._inner_node("Div", [most, reach], [step])
        self._inner_node("Mul", [name, inverse], [scaled])
        self._inner_node("QuantizeLinear", [scaled, one, zero], [q])

    def _name(self, ref: Ref) -> str:
        """The name of an input of the operation."""
        return self.names[ref.name]

    def _copy(self, name: str, output: str) -> None:
        self.nodes.append(helper.make_node("Identity", [name], [output], output))

    def _node(self, kind: str, inputs: list[str], **attributes: Any) -> Ref:
        """A node that computes the results of the operation; the first of them."""
        results = self.op.outputs
        outputs = [self.names[ref.name] for ref in results]
        self.nodes.append(helper.make_node(kind, inputs, outputs, results[0].name, **attributes))
        return results[0]

    def _constant(self, factor: Tensor | float, role: str = "") -> str:
        """The name of a constant; `role` names one that is not a tensor of the operation."""
        if isinstance(factor, Tensor):
            weights = [arg for arg in self.op.args if isinstance(arg, Tensor)]
            name = self.named.weight(factor, self.op) if factor in weights else f"{self.op.outputs[0].name}.{role}"
            array = factor.dense(np.float32)
        else:
            name, array = f"{self.op.outputs[0].name}.{role}", np.array(factor, np.float32)
        return self._store(name, array)

    def _inner_node(self, kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        """A node for values that are not in the trace."""
        self.nodes.append(helper.make_node(kind, inputs, outputs, outputs[0], **attributes))
        self.inner.update(outputs)
