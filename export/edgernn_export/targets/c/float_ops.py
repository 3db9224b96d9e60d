"""The operations in float as statements of C."""

from collections.abc import Callable

import numpy as np

from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, GROUP as SHARED, Tensor
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.layout import LANES, padded
from edgernn_export.targets.c.ops import COps
from edgernn_export.targets.c.pack import (
    GROUP,
    in_bands,
    literal,
    padded_vector,
    rows_by_column,
    rows_by_group,
    scales_by_group,
    side_by_side,
    sparse_blocks,
    sums_i8,
)
from edgernn_export.targets.c.transforms import Transforms

KERNELS = {"": "affine_f32", "fp16": "affine_f16", "weight_only_wi8_afp32": "affine_w8"}
"""The scheme of the weights -> the kernel; four bits and dynamic int8 have a method each."""


class CFloatOps(COps):
    """The operations in float, in loops over blocks of LANES elements."""

    def __init__(self, emitter: Emitter) -> None:
        super().__init__(emitter)
        self.quantized: set[Ref] = set()  # the values that are rounded to int8

    def head(self, elements: int) -> str:
        return f"size_t i = 0; i < {padded(elements)}; i += {LANES}"

    def per_element(self, op: Op) -> bool:
        return any(isinstance(arg, Tensor) for arg in op.args)

    def store(self, ref: Ref) -> str:
        return self._call("f32_store", self.element(ref), self.lanes[ref])

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        methods: dict[str, Callable[[Tensor, Ref, Tensor | None], Ref]] = {
            DYNAMIC: self._affine_i8,
            FOUR_BITS: self._affine_w4,
        }
        return methods.get(weight.scheme, self._affine_float)(weight, x, bias)

    def _affine_float(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """In float32, with weights of float32, float16 or int8."""
        rows, inputs = weight.shape
        b = "NULL" if bias is None else self._vector(bias)
        bands = in_bands(weight)
        if bands is not None:
            each = (("", bands.weights), ("_bands", bands.bands))
            banded = [self.emitter.constant(weight, array, suffix=suffix) for suffix, array in each]
            return self.emitter.kernel("affine_banded", "affine_f32_banded", *banded, b, self.position(x), rows)
        packed = rows_by_column(weight.stored if weight.scheme else weight.dense(np.float32))
        sparse = sparse_blocks(weight)
        blocks = padded(rows) // LANES
        if sparse is not None:
            arrays = self.emitter.sparse(weight, sparse)
            return self.emitter.kernel("affine_float", "affine_f32_sparse", *arrays, b, self.position(x), blocks)
        dense = side_by_side(packed)
        w = self.emitter.constant(weight, dense.view(np.uint16) if dense.dtype == np.float16 else dense)
        scale = "NULL" if weight.scale is None else self._scale(weight, padded_vector(weight.scale))
        kernel, shape, result = KERNELS[weight.scheme], (blocks, inputs), self.emitter.op.outputs[0]
        if result.name in self.emitter.reuse.affines:
            sums, read = "float" * (weight.scale is not None), (self._name(x), *shape)
            bound = literal(self.emitter.reuse.affines[result.name].threshold)
            header, function = "affine_delta_float", f"{kernel}_delta"
            return self.emitter.changed(header, function, w, scale, b, sums=sums, inputs=read, threshold=bound)
        if x.positions > 1:
            arguments = w, scale, b, self._name(x), *shape, rows, x.positions
            return self.emitter.whole("affine_float_positions", f"{kernel}_positions", *arguments)
        alone = w, scale, b, self._name(x), *shape
        self.emitter.kernel("affine_float", kernel, *alone)
        far = self.emitter.far(result), self.emitter.far(x)
        self.emitter.together("affine_float_many", f"{kernel}_many", *alone, *far, "n")
        return result

    def _affine_w4(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """With two weights of four bits in a byte: a column of bytes holds two columns of the matrix."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        w = self.emitter.constant(weight, side_by_side(rows_by_column(weight.stored)))
        scale = self._scale(weight, scales_by_group(weight.scale))
        b = "NULL" if bias is None else self._vector(bias)
        group = inputs if weight.scale.ndim == 1 else SHARED
        shape = padded(rows) // LANES, inputs, group
        result = self.emitter.kernel("affine_w4", "affine_w4", w, scale, b, self.position(x), *shape)
        if x.positions == 1:
            far = self.emitter.far(result), self.emitter.far(x), "n"
            self.emitter.together("affine_w4_many", "affine_w4_many", w, scale, b, self._name(x), *shape, *far)
        return result

    def _affine_i8(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """With an input that is rounded once, however many affines read it."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        q, step = self._quantized(x, inputs)
        sparse, blocks = sparse_blocks(weight), padded(rows) // LANES
        scale = self._scale(weight, padded_vector(weight.scale))
        sums = self.emitter.constant(weight, sums_i8(weight.stored), suffix="_sums")
        added = scale, "NULL" if bias is None else self._vector(bias), sums
        if sparse is not None:
            several = (f"{q} + p * {padded(inputs)}", _at(step)) if x.positions > 1 else (q, step)
            arrays = self.emitter.sparse(weight, sparse)
            return self.emitter.kernel("affine_i8", "affine_i8_sparse", *arrays, *added, *several, blocks)
        w = self.emitter.constant(weight, side_by_side(rows_by_group(weight.stored)))
        arguments = w, *added, q, step, blocks, -(-inputs // GROUP)
        if x.positions > 1:
            shape = padded(inputs), rows, x.positions
            return self.emitter.whole("affine_i8_positions", "affine_i8_positions", *arguments, *shape)
        result = self.emitter.kernel("affine_i8", "affine_i8", *arguments)
        if "[" not in step:  # a variable, of which each stream has its own
            far = self.emitter.far(result), "FAR(uint8_t)", "n"
            self.emitter.together("affine_i8_many", "affine_i8_many", *arguments, *far)
        return result

    def _quantized(self, x: Ref, inputs: int) -> tuple[str, str]:
        """The C names of an input that is rounded to int8 and of its scale, or scales, one for each position."""
        emitter, place = self.emitter, self.emitter.rounded[x.name]
        q, step = (emitter.identifiers(*key) for key in _names(place.value))
        size, slots = x.positions * padded(inputs), max(place.slots, 1)
        several = place.slots > 0 or x.positions > 1
        to = f"state->{q} + {place.slot * size}" if place.slots else f"state->{q}"
        steps = f"{step} + {place.slot * x.positions}" if place.slots else step
        scale = f"{step}[{place.slot}]" if place.slots else step
        if x not in self.quantized:
            self.quantized.add(x)
            emitter.headers.add("quantize_i8")
            if several and q not in emitter.buffers:
                emitter.locals[step] = slots * x.positions
                emitter.emit(f"float {step}[{slots * x.positions}];")
            emitter.buffers[q] = slots * size
            if x.positions > 1:
                call = self._call("quantize_i8", f"{to} + p * {padded(inputs)}", self.position(x), inputs)
                emitter.emit(f"{emitter.each(x)}{_at(steps)} = {call};")
                return to, steps
            if not several:
                emitter.locals[step] = 0
            line = (
                f"{'' if several else 'const float '}{scale} = {self._call('quantize_i8', to, self._name(x), inputs)};"
            )
            if x in emitter.named.ins:
                emitter.open(line)
            else:
                emitter.emit(line)
        return to, steps if x.positions > 1 else scale

    def add(self, a: Ref, b: Ref) -> Ref:
        return self._lane("f32_add", self._load(a), self._load(b))

    def subtract(self, a: Ref, b: Ref) -> Ref:
        return self._lane("f32_sub", self._load(a), self._load(b))

    def multiply(self, a: Ref, b: Ref) -> Ref:
        return self._lane("f32_mul", self._load(a), self._load(b))

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        factor, offset = (
            self._call("f32_load", f"{self._vector(part, role)} + i")
            if isinstance(part, Tensor)
            else self._call("f32_all", literal(part))
            for part, role in ((by, "by"), (plus, "plus"))
        )
        return self._lane("f32_add", self._call("f32_mul", self._load(x), factor), offset)

    def sigmoid(self, x: Ref) -> Ref:
        self.emitter.headers.add("squash_f32")
        return self._lane("f32_sigmoid", self._load(x))

    def tanh(self, x: Ref) -> Ref:
        self.emitter.headers.add("squash_f32")
        return self._lane("f32_tanh", self._load(x))

    def relu(self, x: Ref) -> Ref:
        return self._lane("f32_max", self._call("f32_all", 0), self._load(x))

    def exp(self, x: Ref) -> Ref:
        self.emitter.headers.add("curves_f32")
        return self._lane("f32_exp", self._load(x))

    def sqrt(self, x: Ref) -> Ref:
        self.emitter.headers.add("curves_f32")
        return self._lane("f32_sqrt", self._load(x))

    def divide(self, a: Ref, b: Ref) -> Ref:
        return self._lane("f32_div", self._load(a), self._load(b))

    def maximum(self, a: Ref, b: Ref) -> Ref:
        self.emitter.headers.add("curves_f32")
        return self._lane("f32_maximum", self._load(a), self._load(b))

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        self.emitter.headers.add("hold_f32")
        return self._lane("f32_hold", self._load(x), self._load(last), literal(threshold))

    def softmax(self, x: Ref) -> Ref:
        return self.emitter.kernel("whole_f32", "softmax_f32", self.position(x), x.width)

    def log(self, x: Ref) -> Ref:
        return self.emitter.whole("whole_f32", "log_f32", self._name(x), x.size)

    def copied(self, x: Ref) -> str:
        return f"{x.width} * sizeof(float)"

    def sum(self, x: Ref, _before: int, size: int) -> Ref:
        return self.emitter.whole("positions", "sum_f32", self._name(x), self.emitter.op.positions, size, x.width)

    def rfft(self, x: Ref, _size: int, _window: Tensor | None = None) -> Ref:
        return Transforms(self.emitter, self.position(x)).rfft()

    def irfft(self, x: Ref, _size: int, _window: Tensor | None = None) -> Ref:
        return Transforms(self.emitter, self.position(x)).irfft()

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        width = table.shape[1]
        rows = self.emitter.constant(table, table.dense(np.float32).reshape(-1), suffix="_table")
        result = self.emitter.op.outputs[0]
        name, row = self.emitter.place(result), f"{rows} + {width} * (size_t){self._name(index)}[0]"
        self.emitter.emit(self.emitter.copy(name, row, f"{width} * sizeof(float)"))
        return result

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        vectors = ["NULL" if part is None else self._vector(part) for part in (gain, bias)]
        return self.emitter.kernel("whole_f32", "normalize_f32", self.position(x), *vectors, literal(eps), x.width)

    def _lane(self, function: str, *arguments: str) -> Ref:
        """A variable of the loop: LANES elements of the operation's result."""
        self.emitter.headers.add("lanes")
        (result,) = self.emitter.op.outputs
        self.lanes[result] = self.emitter.identifiers("lanes", f"{result.name}.i")
        self.emitter.emit(f"const f32x16 {self.lanes[result]} = {self._call(function, *arguments)};")
        return result

    def _load(self, ref: Ref) -> str:
        return self.lanes.get(ref) or self._call("f32_load", self.element(ref))

    def _call(self, function: str, *arguments: object) -> str:
        return self.emitter.call(function, *arguments)

    def _name(self, ref: Ref) -> str:
        return self.emitter.names[ref.name]

    def _vector(self, tensor: Tensor, role: str = "") -> str:
        return self.emitter.constant(tensor, padded_vector(tensor.dense(np.float32)), role)

    def _scale(self, weight: Tensor, packed: np.ndarray) -> str:
        return self.emitter.constant(weight, packed, suffix="_scale")


def _names(value: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """What the buffer of a rounded input and its scales are called, for Identifiers."""
    return ("buffer", f"q.{value}"), ("step", f"q.{value}.step")


def _at(steps: str) -> str:
    """The scale of position p."""
    return f"({steps})[p]" if " " in steps else f"{steps}[p]"
