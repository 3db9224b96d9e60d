"""Each word in integers as a statement of C: the constants of edgernn.integer.forms, written down."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.integer import forms as integer_forms
from edgernn.integer.fixedpoint import Integers, logarithm_table, power_table, tanh_table
from edgernn.integer.forms import Affine, Curve, Product, Requantized, Rows, Scaled, Sum, Table
from edgernn.integer.normalize import Normalized
from edgernn.integer.plan import QuantizationParameters
from edgernn.integer.softmax import Logarithm, Softmax
from edgernn.model.operation import Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.fusion import Group
from edgernn_export.targets.c.layout import LANES, padded
from edgernn_export.targets.c.pack import GROUP, fewer, less_i8, number, rows_by_group, side_by_side

ARRAYS: Mapping[int, Any] = {8: np.int8, 16: np.int16}
"""Bits -> what an array of such integers is made of."""

HEADERS = {"normalize": "normalize_fixed", "softmax": "softmax_fixed", "log": "softmax_fixed"}
"""A word that takes a whole vector -> the file of c_runtime that has its kernels."""

ROOM = 4  # entries behind a table, since vectors read more bytes than they need


class CIntegerOps:
    """Each word as a call of a kernel, or as a line of a loop; a value is its Ref, spelt as a pointer."""

    def __init__(self, page: Emitter, forms: Mapping[Ref, Callable[..., Any]]) -> None:
        self.page = page
        self._forms = forms  # the first value that a word makes -> its integer form
        self._open: dict[Ref, str] = {}  # value -> its name in the loop that is open
        self._tables: dict[bytes, str] = {}

    def say(self, group: Group) -> None:
        """Write the words of a group."""
        if not group.looped:
            self.page.say(group, self)
            return
        head = f"size_t i = 0; i < {group.width}; i += EDGERNN_AT_ONCE"
        self.page.loop(group, self, head, self._store)
        self._open.clear()

    def _store(self, ref: Ref) -> str:
        return f"q_store_i{self.page.quantization[ref.name].bits}({self.page.names[ref.name]} + i, {self._open[ref]});"

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        del bias
        page, form, made = self.page, self._form(Affine), self.page.op.outputs[0]
        rows, inputs = weight.shape
        few = fewer(weight)
        about = f"{made.name}: {rows}, of each row"
        added = page.array(f"{made.name}.bias", _padded(form.bias, np.int32), about)
        if page.quantization[x.name].bits == 8:
            plain = page.constants[added]
            page.array(f"{made.name}.bias", less_i8(form.weight, form.bias), about)
            page.constants[added] = f"#if EDGERNN_Q_SHIFT\n{page.constants[added]}\n#else\n{plain}\n#endif"
        mantissa = page.array(f"{made.name}.mantissa", _padded(form.mantissa, np.int32), about)
        shift = page.array(f"{made.name}.shift", _padded(np.asarray(form.shift), np.uint8, fill=1), about)
        kernel = f"affine_i{page.quantization[x.name].bits}_to_i{form.to.bits}"
        initial_state = f"{added}, {mantissa}, {shift}, {form.to.zero}, {page.names[x.name]}, {padded(rows) // LANES}"
        if few is not None:
            return page.call(f"{kernel}_sparse", f"{page.sparse(weight, few)}, {initial_state}", "affine_fixed")
        w = page.constant(weight, side_by_side(rows_by_group(weight.stored)))
        return page.call(kernel, f"{w}, {initial_state}, {-(-inputs // GROUP)}", "affine_fixed")

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
        form = self._form(Requantized)
        positive = f"q_positive({self._centred(x, form.x)})"
        return self._line(f"rescale({positive}, {form.mantissa}, {form.shift})", form.to)

    def sigmoid(self, x: Ref) -> Ref:
        form = self._form(Table, Curve)
        if isinstance(form, Table):
            to = self.page.quantization[self.page.op.outputs[0].name]
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
        self.page.parts(x, self.page.op.outputs)
        return self.page.op.outputs

    def moved(self, x: Ref) -> Ref:
        """A value on another grid."""
        to = self.page.quantization[self.page.op.outputs[0].name]
        form = integer_forms.requantized(self.page.quantization[x.name], to)
        return self._line(f"rescale({self._centred(x, form.x)}, {form.mantissa}, {form.shift})", to)

    def concat(self, *xs: Ref) -> Ref:
        page = self.page
        made, at = page.place(page.op.outputs[0]), 0
        for x in xs:
            place = f"{page.names[made.name]} + {at}"
            page.state(f"memcpy({place}, {page.names[x.name]}, {x.width} * sizeof *{page.names[x.name]});")
            at += x.width
        return made

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        page, form = self.page, self._form(Rows)
        made = page.op.outputs[0]
        name = page.constant(table, form.table.astype(ARRAYS[page.quantization[made.name].bits]), suffix="_table")
        page.place(made)
        source = f"{name} + {made.width} * (size_t){page.names[index.name]}[0]"
        page.state(f"memcpy({page.names[made.name]}, {source}, {made.width} * sizeof *{name});")
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
        kernel, header = f"{kind}_i{self.page.quantization[x.name].bits}_to_i{to.bits}", HEADERS[kind]
        arguments = f"{self.page.names[x.name]}, {constants}, {to.zero}, {x.width}"
        return self.page.call(kernel, arguments, header)

    def integers(self, x: Ref) -> Ref:
        """A float value on its grid."""
        qparams = self.page.quantization[self.page.op.outputs[0].name]
        return self.page.call(f"i{qparams.bits}_of_f32", self._border(x, qparams), "border")

    def numbers(self, x: Ref) -> Ref:
        """What integers stand for."""
        qparams = self.page.quantization[x.name]
        return self.page.call(f"f32_of_i{qparams.bits}_on", self._border(x, qparams), "border")

    def _border(self, x: Ref, qparams: QuantizationParameters) -> str:
        return f"{self.page.names[x.name]}, (double){number(qparams.scale)}, {qparams.zero}, {x.width}"

    def _each(self, factors: Integers, offsets: Integers) -> tuple[str, str]:
        """The names of a factor and of an offset for each element that the word makes."""
        made = self.page.op.outputs[0]
        by, plus = (
            self.page.array(
                f"{made.name}.{role}", _padded(np.broadcast_to(part, made.width), dtype), f"{made.name}: {role}"
            )
            for role, part, dtype in (("by", factors, np.int32), ("plus", offsets, np.int64))
        )
        return by, plus

    def _form(self, *kinds: type[Any]) -> Any:
        """The integer form of the word, which is one of these."""
        form = self._forms[self.page.op.outputs[0]]
        assert isinstance(form, kinds)
        return form

    def _table(self, entries: Integers, about: str) -> str:
        """A table, written once however many words read it."""
        key = entries.tobytes()
        if key not in self._tables:
            self._tables[key] = self.page.array(f"table.{len(self._tables)}", entries, about)
        return self._tables[key]

    def _line(self, integers: str, to: QuantizationParameters) -> Ref:
        """A value of the loop that is open, from integers that are counted from the zero of its grid."""
        return self._value(f"to_i{to.bits}({integers}, {to.zero})")

    def _value(self, expression: str) -> Ref:
        (made,) = self.page.op.outputs
        self._open[made] = self.page.spell("lanes", f"{made.name}.i")
        self.page.kernels.add("fixed")
        self.page.state(f"const q32 {self._open[made]} = {expression};")
        return made

    def _load(self, ref: Ref) -> str:
        return self._open.get(ref) or f"q_i{self.page.quantization[ref.name].bits}({self.page.names[ref.name]} + i)"

    def _centred(self, ref: Ref, qparams: QuantizationParameters) -> str:
        """A value counted from the zero of its grid."""
        return f"q_plus({self._load(ref)}, {-qparams.zero})" if qparams.zero else self._load(ref)


def _padded(values: Integers, dtype: Any, fill: int = 0) -> Any:
    """A number for each row or element, in whole blocks."""
    return np.pad(values, (0, padded(len(values)) - len(values)), constant_values=fill).astype(dtype)
