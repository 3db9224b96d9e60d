"""Each word in integers as a statement of C: the constants of edgernn.integer, written down."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgernn.fixedpoint import Integers, tanh_table
from edgernn.integer import Affine, Curve, Joined, Moved, Product, Rows, Scaled, Sum, Table
from edgernn.record import Ref
from edgernn.static import Grid
from edgernn.tensor import Tensor
from edgernn_export.targets.c.groups import Group
from edgernn_export.targets.c.layout import padded
from edgernn_export.targets.c.pack import GROUP, number, rows_by_group, side_by_side, sums_i8
from edgernn_export.targets.c.page import Page, kind

TABLES: Mapping[int, Any] = {8: np.int8, 16: np.int16}
"""Bits -> what an array of such integers is made of."""


class FixedWords:
    """Each word as a call of a kernel, or as a line of a loop; a value is its Ref, spelt as a pointer."""

    def __init__(self, page: Page, forms: Mapping[Ref, Callable[..., Any]]) -> None:
        self.page = page
        self._forms = forms  # the first value that a word makes -> its integer form
        self._open: dict[Ref, str] = {}  # value -> its name in the loop that is open
        self._tables: dict[bytes, str] = {}

    def say(self, group: Group) -> None:
        """Write the words of a group."""
        if not group.looped:
            self.page.say(group, self)
            return
        head = f"size_t i = 0; i < {group.width}; ++i"
        self.page.loop(group, self, head, lambda ref: f"{self.page.names[ref.name]}[i] = {self._open[ref]};")
        self._open.clear()

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        del bias
        page, form, made = self.page, self._form(Affine), self.page.word.made[0]
        rows, inputs = weight.shape
        w = page.constant(weight, side_by_side(rows_by_group(weight.stored)))
        added, mantissa, shift = (
            page.array(f"{made.name}.{part}", _padded(values, dtype, fill), f"{made.name}: {rows}, of each row")
            for part, values, dtype, fill in (
                ("bias", form.bias, np.int32, 0),
                ("mantissa", form.mantissa, np.int32, 0),
                ("shift", form.shift, np.uint8, 1),
            )
        )
        less = "NULL"
        if page.grids[x.name].bits == 8:
            less = page.constant(weight, sums_i8(weight.stored), suffix="_sums")
            page.constants[less] = f"#if EDGERNN_Q_SHIFT\n{page.constants[less]}\n#else\n#define {less} NULL\n#endif"
        kernel = f"affine_i{page.grids[x.name].bits}_to_i{form.to.bits}"
        places = f"{page.names[x.name]}, {padded(rows) // 16}, {-(-inputs // GROUP)}"
        return page.call(kernel, f"{w}, {added}, {less}, {mantissa}, {shift}, {form.to.zero}, {places}", "affine_fixed")

    def add(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Sum)
        sides = f"{self._centred(a, form.a)}, {form.by_a}, {self._centred(b, form.b)}, {form.by_b}"
        return self._line(f"rescale_sum({sides}, {form.shift})", form.to)

    subtract = add

    def multiply(self, a: Ref, b: Ref) -> Ref:
        form = self._form(Product)
        product = f"(int32_t)({self._centred(a, form.a)}) * ({self._centred(b, form.b)})"
        return self._line(f"rescale({product}, {form.mantissa}, {form.shift})", form.to)

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        del by, plus
        form = self._form(Scaled)
        name = self.page.word.made[0].name
        each = [
            f"{self.page.array(f'{name}.{role}', part.astype(dtype), f'{name}: {role}')}[i]" if part.ndim else str(part)
            for part, role, dtype in ((form.by, "by", np.int32), (form.plus, "plus", np.int64))
        ]
        return self._line(f"rescale_plus({self._centred(x, form.x)}, {each[0]}, {each[1]}, {form.shift})", form.to)

    def relu(self, x: Ref) -> Ref:
        form = self._form(Moved)
        centred = self._centred(x, form.x)
        return self._line(f"rescale({centred} < 0 ? 0 : {centred}, {form.mantissa}, {form.shift})", form.to)

    def sigmoid(self, x: Ref) -> Ref:
        form = self._form(Table, Curve)
        if isinstance(form, Table):
            to = self.page.grids[self.page.word.made[0].name]
            table = self._table(form.entries.astype(TABLES[to.bits]), "an entry for each integer that may arrive")
            return self._value(f"{table}[{self._load(x)} + {-form.lowest}]", to)
        table = self._table(tanh_table().astype(np.uint16), "tanh from 0 to 8, in steps of 1/32768")
        position = f"rescale({self._centred(x, form.x)}, {form.mantissa}, {form.shift})"
        curve = f"tanh_fixed({table}, {position})" + (f" + {form.plus}" if form.plus else "")
        return self._line(f"halve({curve}, {form.drop})" if form.drop else curve, form.to)

    tanh = sigmoid

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        del sizes
        self.page.parts(x, self.page.word.made)
        return self.page.word.made

    def concat(self, *xs: Ref) -> Ref:
        form, page = self._form(Joined), self.page
        made, at = page.place(page.word.made[0]), 0
        for x, each in zip(xs, form.each, strict=True):
            place = f"{page.names[made.name]} + {at}"
            if each.x == each.to:
                page.state(f"memcpy({place}, {page.names[x.name]}, {x.width} * sizeof *{page.names[x.name]});")
            else:
                page.kernels.add("fixed")
                moved = f"rescale({self._centred(x, each.x)}, {each.mantissa}, {each.shift})"
                saved = f"({place})[i] = to_i{each.to.bits}({moved}, {each.to.zero});"
                page.state(f"for (size_t i = 0; i < {x.width}; ++i) {saved}")
            at += x.width
        return made

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        page, form = self.page, self._form(Rows)
        made = page.word.made[0]
        name = page.constant(table, form.table.astype(TABLES[page.grids[made.name].bits]), suffix="_table")
        page.place(made)
        source = f"{name} + {made.width} * (size_t){page.names[index.name]}[0]"
        page.state(f"memcpy({page.names[made.name]}, {source}, {made.width} * sizeof *{name});")
        return made

    def integers(self, x: Ref) -> Ref:
        """A float value on its grid."""
        grid = self.page.grids[self.page.word.made[0].name]
        return self.page.call(f"i{grid.bits}_of_f32", self._border(x, grid), "border")

    def numbers(self, x: Ref) -> Ref:
        """What integers stand for."""
        grid = self.page.grids[x.name]
        return self.page.call(f"f32_of_i{grid.bits}_on", self._border(x, grid), "border")

    def _border(self, x: Ref, grid: Grid) -> str:
        return f"{self.page.names[x.name]}, (double){number(grid.scale)}, {grid.zero}, {x.width}"

    def _form(self, *kinds: type[Any]) -> Any:
        """The integer form of the word, which is one of these."""
        form = self._forms[self.page.word.made[0]]
        assert isinstance(form, kinds)
        return form

    def _table(self, entries: Integers, about: str) -> str:
        """A table, written once however many words read it."""
        key = entries.tobytes()
        if key not in self._tables:
            self._tables[key] = self.page.array(f"table.{len(self._tables)}", entries, about)
        return self._tables[key]

    def _line(self, integers: str, to: Grid) -> Ref:
        """A value of the loop that is open, from integers that are counted from the zero of its grid."""
        self.page.kernels.add("fixed")
        return self._value(f"to_i{to.bits}({integers}, {to.zero})", to)

    def _value(self, expression: str, to: Grid) -> Ref:
        (made,) = self.page.word.made
        self._open[made] = self.page.spell("lanes", f"{made.name}.i")
        self.page.state(f"const {kind(to)} {self._open[made]} = {expression};")
        return made

    def _load(self, ref: Ref) -> str:
        return self._open.get(ref) or f"{self.page.names[ref.name]}[i]"

    def _centred(self, ref: Ref, grid: Grid) -> str:
        """A value counted from the zero of its grid."""
        return self._load(ref) + (f" {'-' if grid.zero > 0 else '+'} {abs(grid.zero)}" if grid.zero else "")


def _padded(values: Integers, dtype: Any, fill: int) -> Any:
    """A number for each row, in whole blocks."""
    return np.pad(values, (0, padded(len(values)) - len(values)), constant_values=fill).astype(dtype)
