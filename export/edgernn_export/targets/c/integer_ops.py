"""Each word in integers as a statement of C: the constants of edgernn.integer.forms, written down."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.integer import forms as integer_forms
from edgernn.integer.fixedpoint import Integers, logarithm_table, power_table, tanh_table
from edgernn.integer.forms import Affine, Curve, Moved, Product, Rows, Scaled, Sum, Table
from edgernn.integer.normalize import Normalized
from edgernn.integer.plan import QuantizationParameters
from edgernn.integer.softmax import Logarithm, Softmax
from edgernn.model.record import Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.c.emitter import COps, Emitter
from edgernn_export.targets.c.fusion import Group
from edgernn_export.targets.c.layout import LANES, padded
from edgernn_export.targets.c.pack import GROUP, fewer, less_i8, number, rows_by_group, side_by_side

ARRAYS: Mapping[int, Any] = {8: np.int8, 16: np.int16}
"""Bits -> what an array of such integers is made of."""

HEADERS = {"normalize": "normalize_fixed", "softmax": "softmax_fixed", "log": "softmax_fixed"}
"""A word that takes a whole vector -> the file of c_runtime that has its kernels."""

ROOM = 4  # entries behind a table, since vectors read more bytes than they need


class CIntegerOps(COps):
    """The operations in integers."""

    def __init__(self, emitter: Emitter, forms: Mapping[Ref, Callable[..., Any]]) -> None:
        super().__init__(emitter)
        self._forms = forms  # the first value that an operation makes -> its integer form
        self._tables: dict[bytes, str] = {}

    def head(self, group: Group) -> str:
        return f"size_t i = 0; i < {group.width}; i += EDGERNN_AT_ONCE"

    def store(self, ref: Ref) -> str:
        bits = self.emitter.quantization[ref.name].bits
        return f"q_store_i{bits}({self.emitter.names[ref.name]} + i, {self.lanes[ref]});"

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        del bias
        emitter, form, made = self.emitter, self._form(Affine), self.emitter.op.outputs[0]
        rows, inputs = weight.shape
        few = fewer(weight)
        about = f"{made.name}: {rows}, of each row"
        added = emitter.array(f"{made.name}.bias", _padded(form.bias, np.int32), about)
        if emitter.quantization[x.name].bits == 8:
            plain = emitter.constants[added]
            emitter.array(f"{made.name}.bias", less_i8(form.weight, form.bias), about)
            emitter.constants[added] = f"#if EDGERNN_Q_SHIFT\n{emitter.constants[added]}\n#else\n{plain}\n#endif"
        mantissa = emitter.array(f"{made.name}.mantissa", _padded(form.mantissa, np.int32), about)
        shift = emitter.array(f"{made.name}.shift", _padded(np.asarray(form.shift), np.uint8, fill=1), about)
        kernel = f"affine_i{emitter.quantization[x.name].bits}_to_i{form.to.bits}"
        initial_state = (
            f"{added}, {mantissa}, {shift}, {form.to.zero}, {emitter.names[x.name]}, {padded(rows) // LANES}"
        )
        if few is not None:
            return emitter.call(f"{kernel}_sparse", f"{emitter.sparse(weight, few)}, {initial_state}", "affine_fixed")
        w = emitter.constant(weight, side_by_side(rows_by_group(weight.stored)))
        return emitter.call(kernel, f"{w}, {initial_state}, {-(-inputs // GROUP)}", "affine_fixed")

    def add(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Sum)
        sides = f"{self._centred(a, form.a)}, {form.by_a}, {self._centred(b, form.b)}, {form.by_b}"
        return self._line(f"rescale_sum({sides}, {form.shift})", form.to)

    subtract = add

    def multiply(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Product)
        product = f"q_mul({self._centred(a, form.a)}, {self._centred(b, form.b)})"
        return self._line(f"rescale({product}, {form.mantissa}, {form.shift})", form.to)

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        del by, plus
        form = self._form(Scaled)
        factors, offsets = self._each(form.by, form.plus)
        return self._line(
            f"rescale_plus({self._centred(x, form.x)}, {factors} + i, {offsets} + i, {form.shift})", form.to
        )

    def relu(self, x: Ref) -> Ref:
        form = self._form(Moved)
        positive = f"q_positive({self._centred(x, form.x)})"
        return self._line(f"rescale({positive}, {form.mantissa}, {form.shift})", form.to)

    def sigmoid(self, x: Ref) -> Ref:
        form = self._form(Table, Curve)
        if isinstance(form, Table):
            to = self.emitter.quantization[self.emitter.op.outputs[0].name]
            entries = np.pad(form.entries, (0, ROOM)).astype(ARRAYS[to.bits])
            table = self._table(entries, "an entry for each integer that may arrive")
            return self._value(f"q_table_i{to.bits}({table}, q_plus({self._load(x)}, {-form.lowest}))")
        table = self._table(tanh_table().astype(np.uint16), "tanh from 0 to 8, in steps of 1/32768")
        curve = f"tanh_fixed({table}, rescale({self._centred(x, form.x)}, {form.mantissa}, {form.shift}))"
        curve = f"q_plus({curve}, {form.plus})" if form.plus else curve
        return self._line(f"q_drop({curve}, {form.drop})" if form.drop else curve, form.to)

    tanh = sigmoid

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        del sizes
        self.emitter.parts(x, self.emitter.op.outputs)
        return self.emitter.op.outputs

    def moved(self, x: Ref) -> Ref:
        """A value on another grid."""
        to = self.emitter.quantization[self.emitter.op.outputs[0].name]
        form = integer_forms.moved(self.emitter.quantization[x.name], to)
        return self._line(f"rescale({self._centred(x, form.x)}, {form.mantissa}, {form.shift})", to)

    def concat(self, *xs: Ref) -> Ref:
        emitter = self.emitter
        made, at = emitter.place(emitter.op.outputs[0]), 0
        for x in xs:
            place = f"{emitter.names[made.name]} + {at}"
            emitter.state(f"memcpy({place}, {emitter.names[x.name]}, {x.width} * sizeof *{emitter.names[x.name]});")
            at += x.width
        return made

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        emitter, form = self.emitter, self._form(Rows)
        made = emitter.op.outputs[0]
        name = emitter.constant(table, form.table.astype(ARRAYS[emitter.quantization[made.name].bits]), suffix="_table")
        emitter.place(made)
        source = f"{name} + {made.width} * (size_t){emitter.names[index.name]}[0]"
        emitter.state(f"memcpy({emitter.names[made.name]}, {source}, {made.width} * sizeof *{name});")
        return made

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        del gain, bias, eps
        form = self._form(Normalized)
        constants = f"{', '.join(self._each(form.gain, form.plus))}, {form.bits}, {form.eps}LL, {form.least}LL"
        return self._vector("normalize", x, f"{constants}, {form.point}, {form.shift}", form.to)

    def softmax(self, x: Ref) -> Ref:
        form = self._form(Softmax)
        table = self._table(power_table().astype(np.int32), "2^-f for f from 0 to 1, in steps of 2^-30")
        return self._vector("softmax", x, f"{table}, {form.mantissa}, {form.shift}, {form.drop}", form.to)

    def log(self, x: Ref) -> Ref:
        form = self._form(Logarithm)
        table = self._table(logarithm_table().astype(np.int32), "log2(1 + f) for f from 0 to 1, in steps of 2^-24")
        constants = f"{table}, {form.x.zero}, {form.by}, {form.plus}LL, {form.shift}"
        return self._vector("log", x, constants, form.to)

    def _vector(self, kind: str, x: Ref, constants: str, to: QuantizationParameters) -> Ref:
        """A kernel that takes a whole vector and the constants of the word."""
        kernel, header = f"{kind}_i{self.emitter.quantization[x.name].bits}_to_i{to.bits}", HEADERS[kind]
        arguments = f"{self.emitter.names[x.name]}, {constants}, {to.zero}, {x.width}"
        return self.emitter.call(kernel, arguments, header)

    def integers(self, x: Ref) -> Ref:
        """A float value on its grid."""
        qparams = self.emitter.quantization[self.emitter.op.outputs[0].name]
        return self.emitter.call(f"i{qparams.bits}_of_f32", self._border(x, qparams), "border")

    def numbers(self, x: Ref) -> Ref:
        """What integers stand for."""
        qparams = self.emitter.quantization[x.name]
        return self.emitter.call(f"f32_of_i{qparams.bits}_on", self._border(x, qparams), "border")

    def _border(self, x: Ref, qparams: QuantizationParameters) -> str:
        return f"{self.emitter.names[x.name]}, (double){number(qparams.scale)}, {qparams.zero}, {x.width}"

    def _each(self, factors: Integers, offsets: Integers) -> tuple[str, str]:
        """The names of a factor and of an offset for each element that the word makes."""
        made = self.emitter.op.outputs[0]
        by, plus = (
            self.emitter.array(
                f"{made.name}.{role}", _padded(np.broadcast_to(part, made.width), dtype), f"{made.name}: {role}"
            )
            for role, part, dtype in (("by", factors, np.int32), ("plus", offsets, np.int64))
        )
        return by, plus

    def _form(self, *kinds: type[Any]) -> Any:
        """The integer form of the word, which is one of these."""
        form = self._forms[self.emitter.op.outputs[0]]
        assert isinstance(form, kinds)
        return form

    def _table(self, entries: Integers, about: str) -> str:
        """A table, written once however many words read it."""
        key = entries.tobytes()
        if key not in self._tables:
            self._tables[key] = self.emitter.array(f"table.{len(self._tables)}", entries, about)
        return self._tables[key]

    def _line(self, integers: str, to: QuantizationParameters) -> Ref:
        """A value of the loop that is open, from integers that are counted from the zero of its grid."""
        return self._value(f"to_i{to.bits}({integers}, {to.zero})")

    def _value(self, expression: str) -> Ref:
        (made,) = self.emitter.op.outputs
        self.lanes[made] = self.emitter.spell("lanes", f"{made.name}.i")
        self.emitter.kernels.add("fixed")
        self.emitter.state(f"const q32 {self.lanes[made]} = {expression};")
        return made

    def _load(self, ref: Ref) -> str:
        return (
            self.lanes.get(ref) or f"q_i{self.emitter.quantization[ref.name].bits}({self.emitter.names[ref.name]} + i)"
        )

    def _centred(self, ref: Ref, qparams: QuantizationParameters) -> str:
        """A value counted from the zero of its grid."""
        return f"q_plus({self._load(ref)}, {-qparams.zero})" if qparams.zero else self._load(ref)


def _padded(values: Integers, dtype: Any, fill: int = 0) -> Any:
    """A number for each row or element, in whole blocks."""
    return np.pad(values, (0, padded(len(values)) - len(values)), constant_values=fill).astype(dtype)
