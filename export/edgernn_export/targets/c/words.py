"""Each word as a statement of C."""

from collections.abc import Sequence

import numpy as np

from edgernn.readings.numpy import Array
from edgernn.record import Ref, Word
from edgernn.tensor import Tensor
from edgernn_export.targets.c.layout import LANES, Layout, blocks, padded
from edgernn_export.targets.c.pack import GROUP, number, rows_f32, rows_i8, sums_i8, text, vector
from edgernn_export.targets.plan import Plan

KINDS = {"float32": "float", "int32": "int32_t", "int8": "int8_t"}


class CWords:
    """Each word as a call of a kernel; a value is its Ref, spelt as a pointer."""

    def __init__(self, planned: Plan, layout: Layout, names: dict[str, str]) -> None:
        self.plan = planned
        self.layout = layout
        self.names = names  # value -> its C name; inputs and states are given
        self.constants: dict[str, str] = {}  # name -> definition
        self.rounded: dict[str, int] = {}  # buffer of int8 in the state -> its bytes
        self.kernels: set[str] = {"guard"}
        self.statements: list[tuple[str, str]] = []  # (layer, statement)
        self.word: Word

    def hear(self, word: Word) -> None:
        """Remember the word whose method is called next."""
        self.word = word

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if weight.scheme:
            return self._affine_i8(weight, x, bias)
        rows, inputs = weight.shape
        w = self._constant(weight, rows_f32(weight.dense(np.float32)))
        b = "NULL" if bias is None else self._vector(bias)
        return self._call("affine_f32", f"{w}, {b}, {self._name(x)}, {padded(rows) // LANES}, {inputs}", "affine_f32")

    def _affine_i8(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """The input is rounded once, however many affines read it."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        q = f"q_{x.name.replace('/', '_').replace('.', '_')}"
        if q not in self.rounded:
            self.rounded[q] = padded(inputs)
            self.kernels.add("quantize_i8")
            self._state(f"const float {q}_step = quantize_i8(state->{q}, {self._name(x)}, {inputs});")
        w = self._constant(weight, rows_i8(weight.stored))
        scale = self._constant(weight, vector(weight.scale), suffix="_scale")
        sums = self._constant(weight, sums_i8(weight.stored), suffix="_sums")
        b = "NULL" if bias is None else self._vector(bias)
        sizes = f"{padded(rows) // LANES}, {-(-inputs // GROUP)}"
        return self._call("affine_i8", f"{w}, {scale}, {b}, {sums}, state->{q}, {q}_step, {sizes}", "affine_i8")

    def add(self, a: Ref, b: Ref) -> Ref:
        return self._blocks("add_f32", a, b)

    def subtract(self, a: Ref, b: Ref) -> Ref:
        return self._blocks("subtract_f32", a, b)

    def multiply(self, a: Ref, b: Ref) -> Ref:
        return self._blocks("multiply_f32", a, b)

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        if not isinstance(by, Tensor) and not isinstance(plus, Tensor):
            arguments = f"{self._name(x)}, {number(by)}, {number(plus)}, {blocks(self.word)}"
            return self._call("scale_all_f32", arguments, "elementwise")
        ones = np.ones(x.width, np.float32)
        each = [part if isinstance(part, Tensor) else Tensor(part * ones) for part in (by, plus)]
        names = [self._vector(part, role) for part, role in zip(each, ("by", "plus"), strict=True)]
        return self._call("scale_each_f32", f"{self._name(x)}, {', '.join(names)}, {blocks(self.word)}", "elementwise")

    def sigmoid(self, x: Ref) -> Ref:
        return self._blocks("sigmoid_f32", x, header="squash_f32")

    def tanh(self, x: Ref) -> Ref:
        return self._blocks("tanh_f32", x, header="squash_f32")

    def relu(self, x: Ref) -> Ref:
        return self._blocks("relu_f32", x)

    def softmax(self, x: Ref) -> Ref:
        return self._call("softmax_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def log(self, x: Ref) -> Ref:
        return self._call("log_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        del sizes
        for made in self.word.made:
            if made.name not in self.plan.trace.last_use:
                continue
            _, at = self.layout.parts[made.name]
            self._declare(made, f"{self._name(x)} + {at}", constant=True)
        return self.word.made

    def concat(self, *xs: Ref) -> Ref:
        made = self._place()
        at = 0
        for x in xs:
            self._state(f"memcpy({self._name(made)} + {at}, {self._name(x)}, {x.width} * sizeof(float));")
            at += x.width
        return made

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        width = table.shape[1]
        name = self._constant(table, table.dense(np.float32).reshape(-1), suffix="_table")
        made = self._place()
        source = f"{name} + {width} * (size_t){self._name(index)}[0]"
        self._state(f"memcpy({self._name(made)}, {source}, {width} * sizeof(float));")
        return made

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        extra = ["NULL" if part is None else self._vector(part) for part in (gain, bias)]
        arguments = f"{self._name(x)}, {', '.join(extra)}, {number(eps)}, {x.width}"
        return self._call("normalize_f32", arguments, "whole_f32")

    def _blocks(self, kernel: str, *xs: Ref, header: str = "elementwise") -> Ref:
        return self._call(kernel, f"{', '.join(map(self._name, xs))}, {blocks(self.word)}", header)

    def _call(self, kernel: str, arguments: str, header: str) -> Ref:
        self.kernels.add(header)
        made = self._place()
        self._state(f"{kernel}({self._name(made)}, {arguments});")
        return made

    def _state(self, statement: str) -> None:
        self.statements.append((self.word.layer, statement))

    def _place(self) -> Ref:
        (made,) = self.word.made
        self._declare(made, f"scratch + {self.layout.offsets[made.name]}", constant=False)
        return made

    def _declare(self, made: Ref, where: str, *, constant: bool) -> None:
        self.names[made.name] = made.name.replace("/", "_")
        kind = "const float *const" if constant else "float *const"
        self._state(f"{kind} {self.names[made.name]} = {where};")

    def _name(self, ref: Ref) -> str:
        return self.names[ref.name]

    def _vector(self, tensor: Tensor, role: str = "") -> str:
        return self._constant(tensor, vector(tensor.dense(np.float32)), role)

    def _constant(self, tensor: Tensor, packed: Array, role: str = "", suffix: str = "") -> str:
        known = tensor in [arg for arg in self.word.args if isinstance(arg, Tensor)]
        name = self.plan.weight(tensor, self.word) if known else f"{self.word.made[0].name}.{role}"
        spelt = name.replace(".", "_").replace("/", "_") + suffix
        shape = " x ".join(map(str, tensor.shape))
        kind = KINDS[packed.dtype.name]
        self.constants[spelt] = (
            f"/* {name}: {shape} */\nALIGNED static const {kind} {spelt}[{len(packed)}] = {text(packed)};"
        )
        return spelt
