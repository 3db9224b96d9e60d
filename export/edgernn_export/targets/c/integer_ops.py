"""The operations in integers as statements of C: they write down the constants of edgernn.integer.forms."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgernn.integer import forms as integer_forms
from edgernn.integer.fixedpoint import Integers, logarithm_table, power_table, tanh_table
from edgernn.integer.forms import Affine, Curve, Larger, Product, Requantized, Scaled, Sum
from edgernn.integer.normalize import Normalized
from edgernn.integer.plan import QuantizationParameters
from edgernn.integer.positions import Held, Rows, Total, steps
from edgernn.integer.softmax import Logarithm, Softmax
from edgernn.integer.tables import Table
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.layout import LANES, padded
from edgernn_export.targets.c.ops import COps
from edgernn_export.targets.c.pack import GROUP, literal, rows_by_group, shifted_bias_i8, side_by_side, sparse_blocks
from edgernn_export.targets.c.wide_ops import WideOps

DTYPES: Mapping[int, Any] = {8: np.int8, 16: np.int16}
"""Bits -> the dtype of an array of such integers."""

HEADERS = {"normalize": "normalize_fixed", "softmax": "softmax_fixed", "log": "softmax_fixed"}
"""An operation on a whole vector -> the file of c_runtime that has its kernels."""

TABLE_PADDING = 4  # entries behind a table: vector instructions load more bytes than they use


class CIntegerOps(WideOps, COps):
    """The operations in integers, in loops over blocks of EDGERNN_AT_ONCE elements.

    Args:
        emitter: collects the code.
        forms: the first result of an operation -> its integer form.
    """

    def __init__(self, emitter: Emitter, forms: Mapping[Ref, Callable[..., Any]]) -> None:
        super().__init__(emitter)
        self.forms = forms
        self._tables: dict[bytes, str] = {}  # the entries of a table -> its C name

    def head(self, elements: int) -> str:
        return f"size_t i = 0; i < {elements}; i += EDGERNN_AT_ONCE"

    def per_element(self, op: Op) -> bool:
        return op.name == "scale"

    def store(self, ref: Ref) -> str:
        return self._call(f"q_store_i{self._qparams(ref).bits}", self.element(ref), self.lanes[ref])

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        del bias
        emitter, form, result = self.emitter, self._form(Affine), self.emitter.op.outputs[0]
        rows, inputs = weight.shape
        sparse = sparse_blocks(weight)
        comment = f"{result.name}: {rows}, of each row"
        shifted = shifted_bias_i8(form.weight, form.bias) if self._qparams(x).bits == 8 else None
        added = emitter.array(f"{result.name}.bias", _padded(form.bias, np.int32), comment, shifted)
        mantissa = emitter.array(f"{result.name}.mantissa", _padded(form.mantissa, np.int32), comment)
        shift = emitter.array(f"{result.name}.shift", _padded(np.asarray(form.shift), np.uint8, fill=1), comment)
        kernel = f"affine_i{self._qparams(x).bits}_to_i{form.to.bits}"
        each, blocks = (added, mantissa, shift, form.to.zero), padded(rows) // LANES
        if sparse is not None:
            arguments = *emitter.sparse(weight, sparse), *each, self.position(x), blocks
            return emitter.kernel("affine_fixed", f"{kernel}_sparse", *arguments)
        w, groups = emitter.constant(weight, side_by_side(rows_by_group(weight.stored))), -(-inputs // GROUP)
        if result.name in emitter.reuse.affines:
            read = self._name(x), blocks, groups, inputs
            most = steps(emitter.reuse.affines[result.name].threshold, self._qparams(x))
            header, function = "affine_delta_fixed", f"{kernel}_delta"
            return emitter.changed(header, function, w, *each, sums="int32_t", inputs=read, threshold=most)
        if x.positions > 1:
            shape = blocks, groups, inputs, rows, x.positions
            return emitter.whole("affine_fixed_positions", f"{kernel}_positions", w, *each, self._name(x), *shape)
        emitter.kernel("affine_fixed", kernel, w, *each, self._name(x), blocks, groups)
        many = blocks, groups, emitter.far(result), emitter.far(x), "n"
        emitter.together("affine_fixed_many", f"{kernel}_many", w, *each, self._name(x), *many)
        return result

    def add(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Sum)
        terms = self._centred(a, form.a), form.by_a, self._centred(b, form.b), form.by_b
        return self._saturated(self._call("rescale_sum", *terms, form.shift), form.to)

    subtract = add

    def multiply(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Product)
        product = self._call("q_mul", self._centred(a, form.a), self._centred(b, form.b))
        return self._saturated(self._call("rescale", product, form.mantissa, form.shift), form.to)

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        del by, plus
        form = self._form(Scaled)
        factors, offsets = self._each(form.by, form.plus)
        pointers = f"{factors} + i", f"{offsets} + i"
        return self._saturated(self._call("rescale_plus", self._centred(x, form.x), *pointers, form.shift), form.to)

    def relu(self, x: Ref) -> Ref:
        form = self._form(Requantized)
        positive = self._call("q_positive", self._centred(x, form.x))
        return self._saturated(self._call("rescale", positive, form.mantissa, form.shift), form.to)

    def sigmoid(self, x: Ref) -> Ref:
        form = self._form(Table, Curve)
        if isinstance(form, Table):
            return self.exp(x)
        table = self._table(tanh_table().astype(np.uint16), "tanh from 0 to 8, in steps of 1/32768")
        position = self._call("rescale", self._centred(x, form.x), form.mantissa, form.shift)
        curve = self._call("tanh_fixed", table, position)
        curve = self._call("q_plus", curve, form.plus) if form.plus else curve
        return self._saturated(self._call("q_drop", curve, form.drop) if form.drop else curve, form.to)

    tanh = sigmoid

    def exp(self, x: Ref) -> Ref:
        form, to = self._form(Table), self._qparams(self.emitter.op.outputs[0])
        entries = np.pad(form.entries, (0, TABLE_PADDING)).astype(DTYPES[to.bits])
        table = self._table(entries, "one entry for each integer of the input")
        index = self._call("q_plus", self._load(x), -form.lowest)
        return self._variable(self._call(f"q_table_i{to.bits}", table, index))

    sqrt = exp

    def maximum(self, a: Ref, b: Ref) -> Ref:
        first, other = (self._requantized(ref, form) for ref, form in zip((a, b), self._form(Larger).each, strict=True))
        more = self._call("q_positive", self._call("q_add", first, self._call("q_times", other, -1)))
        return self._variable(self._call("q_add", other, more))

    def hold(self, x: Ref, last: Ref, threshold: float) -> Ref:
        del threshold
        return self._variable(self._call("q_hold", self._load(x), self._load(last), self._form(Held).steps))

    def requantize(self, x: Ref) -> Ref:
        """Integers with other quantization parameters."""
        to = self._qparams(self.emitter.op.outputs[0])
        return self._variable(self._requantized(x, integer_forms.requantized(self._qparams(x), to)))

    def _requantized(self, x: Ref, form: Requantized) -> str:
        """A variable of the loop: integers with other quantization parameters."""
        rescaled = self._call("rescale", self._centred(x, form.x), form.mantissa, form.shift)
        return self._call(f"to_i{form.to.bits}", rescaled, form.to.zero)

    def copied(self, x: Ref) -> str:
        return f"{x.width} * sizeof *{self._name(x)}"

    def sum(self, x: Ref, _before: int, size: int) -> Ref:
        form, result = self._form(Total), self.emitter.op.outputs[0]
        function = f"sum_i{form.x.bits}_to_i{form.to.bits}"
        constants = form.x.zero, form.mantissa, form.shift, form.to.zero
        return self.emitter.whole("sum_fixed", function, self._name(x), *constants, result.positions, size, x.width)

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        emitter, form = self.emitter, self._form(Rows)
        result = emitter.op.outputs[0]
        rows = emitter.constant(table, form.table.astype(DTYPES[self._qparams(result).bits]), suffix="_table")
        name, row = emitter.place(result), f"{rows} + {result.width} * (size_t){self._name(index)}[0]"
        emitter.emit(emitter.copy(name, row, f"{result.width} * sizeof *{rows}"))
        return result

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        del gain, bias, eps
        form = self._form(Normalized)
        bounds = form.bits, f"{form.eps}LL", f"{form.least}LL", form.point, form.shift
        return self._vector("normalize", x, form.to, *self._each(form.gain, form.plus), *bounds)

    def softmax(self, x: Ref) -> Ref:
        form = self._form(Softmax)
        table = self._table(power_table().astype(np.int32), "2^-f for f from 0 to 1, in steps of 2^-30")
        return self._vector("softmax", x, form.to, table, form.mantissa, form.shift, form.drop)

    def log(self, x: Ref) -> Ref:
        form = self._form(Logarithm)
        table = self._table(logarithm_table().astype(np.int32), "log2(1 + f) for f from 0 to 1, in steps of 2^-24")
        return self._vector("log", x, form.to, table, form.x.zero, form.by, f"{form.plus}LL", form.shift)

    def quantize(self, x: Ref) -> Ref:
        """Floats as integers."""
        qparams = self._qparams(self.emitter.op.outputs[0])
        return self._cast(f"i{qparams.bits}_of_f32", x, qparams)

    def dequantize(self, x: Ref) -> Ref:
        """Integers as floats."""
        qparams = self._qparams(x)
        return self._cast(f"f32_of_i{qparams.bits}_on", x, qparams)

    def _cast(self, function: str, x: Ref, qparams: QuantizationParameters) -> Ref:
        scale = f"(double){literal(qparams.scale)}"
        return self.emitter.whole("casts", function, self._name(x), scale, qparams.zero, x.size)

    def _vector(self, kind: str, x: Ref, to: QuantizationParameters, *constants: object) -> Ref:
        """A kernel that takes a whole vector and the constants of the operation."""
        function = f"{kind}_i{self._qparams(x).bits}_to_i{to.bits}"
        return self.emitter.kernel(HEADERS[kind], function, self.position(x), *constants, to.zero, x.width)

    def _each(self, factors: Integers, offsets: Integers) -> tuple[str, str]:
        """The C names of a factor and an offset for each element of the operation's result."""
        result = self.emitter.op.outputs[0]
        by, plus = (
            self.emitter.array(
                f"{result.name}.{role}", _padded(np.broadcast_to(part, result.width), dtype), f"{result.name}: {role}"
            )
            for role, part, dtype in (("by", factors, np.int32), ("plus", offsets, np.int64))
        )
        return by, plus

    def _form(self, *kinds: type[Any]) -> Any:
        """The integer form of the operation, which is an instance of one of these classes."""
        form = self.forms[self.emitter.op.outputs[0]]
        assert isinstance(form, kinds)
        return form

    def _table(self, entries: Integers, comment: str) -> str:
        """The C name of a table; operations with equal entries share one."""
        key = entries.tobytes()
        if key not in self._tables:
            self._tables[key] = self.emitter.array(f"table.{len(self._tables)}", entries, comment)
        return self._tables[key]

    def _saturated(self, centred: str, to: QuantizationParameters) -> Ref:
        """A variable of the loop, from integers that do not have the zero point yet."""
        return self._variable(self._call(f"to_i{to.bits}", centred, to.zero))

    def _variable(self, expression: str) -> Ref:
        (result,) = self.emitter.op.outputs
        self.lanes[result] = self.emitter.identifiers("lanes", f"{result.name}.i")
        self.emitter.headers.add("fixed")
        self.emitter.emit(f"const q32 {self.lanes[result]} = {expression};")
        return result

    def _load(self, ref: Ref) -> str:
        return self.lanes.get(ref) or self._call(f"q_i{self._qparams(ref).bits}", self.element(ref))

    def _centred(self, ref: Ref, qparams: QuantizationParameters) -> str:
        """The integers of a value less their zero point."""
        return self._call("q_plus", self._load(ref), -qparams.zero) if qparams.zero else self._load(ref)

    def _call(self, function: str, *arguments: object) -> str:
        return self.emitter.call(function, *arguments)

    def _name(self, ref: Ref) -> str:
        return self.emitter.names[ref.name]

    def _qparams(self, ref: Ref) -> QuantizationParameters:
        return self.emitter.quantization[ref.name]


def _padded(values: Integers, dtype: Any, fill: int = 0) -> Any:
    """One number for each row or element, padded to whole blocks."""
    return np.pad(values, (0, padded(len(values)) - len(values)), constant_values=fill).astype(dtype)
