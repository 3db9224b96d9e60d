"""Each word as a statement of C."""

from collections.abc import Sequence

import numpy as np

from edgernn.readings.numpy import Array
from edgernn.record import Ref, Word
from edgernn.tensor import DYNAMIC, FOUR_BITS, GROUP as SHARED, Tensor
from edgernn.trace import Trace, replay
from edgernn_export.targets.c.groups import Group
from edgernn_export.targets.c.layout import LANES, Layout, padded
from edgernn_export.targets.c.names import Names
from edgernn_export.targets.c.pack import (
    GROUP,
    Sparse,
    fewer,
    number,
    rows_by_column,
    rows_by_group,
    scales_by_group,
    side_by_side,
    sums_i8,
    text,
    vector,
)
from edgernn_export.targets.plan import Plan

KINDS = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int32": "int32_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
KERNELS = {"": "affine_f32", "fp16": "affine_f16", "weight_only_wi8_afp32": "affine_w8"}
"""How weights are kept -> the kernel that reads them; four bits and dynamic int8 have a method each."""


class CWords:
    """Each word as a call of a kernel, or as a line of a loop over lanes; a value is its Ref, spelt as a pointer."""

    def __init__(self, planned: Plan, steps: Trace, layout: Layout, spell: Names, names: dict[str, str]) -> None:
        self.plan = planned
        self.trace = steps
        self.layout = layout
        self.spell = spell
        self.names = names  # value -> its C name; inputs and states are given
        self.constants: dict[str, str] = {}  # name -> definition
        self.rounded: dict[str, int] = {}  # buffer of int8 in the state -> its bytes
        self.kernels: set[str] = {"guard"}
        self.openings: list[str] = []  # what can be done before all else, side by side
        self.statements: list[tuple[str, str]] = []  # (layer, statement)
        self._lanes: dict[Ref, str] = {}  # value -> its name in the loop that is open
        self._values = {ref.name: ref for ref in planned.ins}
        self.word: Word

    def say(self, group: Group) -> None:
        """Write the words of a group."""
        if not group.looped:
            self._replay(group)
            return
        before = len(self.statements)
        self._replay(group)
        lines = self.statements[before:]
        layer = group.words[0].layer
        self.statements[before:] = []
        for ref in group.stored:
            self.word = next(word for word in group.words if ref in word.made)
            self._place()
        self._state(f"for (size_t i = 0; i < {padded(group.width)}; i += {LANES}) {{")
        self.statements += [(layer, f"    {line}") for _, line in lines]
        for ref in group.stored:
            self._state(f"    f32_store({self._name(ref)} + i, {self._lanes[ref]});")
        self._state("}")
        self._lanes.clear()

    def _replay(self, group: Group) -> None:
        replay(group.words, self, self._values, self._hear)

    def _hear(self, word: Word) -> None:
        self.word = word

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        say = {DYNAMIC: self._affine_i8, FOUR_BITS: self._affine_w4}.get(weight.scheme, self._affine_float)
        return say(weight, x, bias)

    def _affine_float(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """float32 arithmetic, however the weights are kept."""
        rows, inputs = weight.shape
        b = "NULL" if bias is None else self._vector(bias)
        packed = rows_by_column(weight.stored if weight.scheme else weight.dense(np.float32))
        few = fewer(weight)
        blocks = padded(rows) // LANES
        if few is not None:
            arguments = f"{self._sparse(weight, few)}, {b}, {self._name(x)}, {blocks}"
            return self._call("affine_f32_sparse", arguments, "affine_float")
        beside = side_by_side(packed)
        w = self._constant(weight, beside.view(np.uint16) if beside.dtype == np.float16 else beside)
        scale = "NULL" if weight.scale is None else self._constant(weight, vector(weight.scale), suffix="_scale")
        arguments = f"{w}, {scale}, {b}, {self._name(x)}, {blocks}, {inputs}"
        return self._call(KERNELS[weight.scheme], arguments, "affine_float")

    def _affine_w4(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """As it is kept: two inputs in a byte, so a column of bytes is two of the matrix."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        w = self._constant(weight, side_by_side(rows_by_column(weight.stored)))
        scale = self._constant(weight, scales_by_group(weight.scale), suffix="_scale")
        b = "NULL" if bias is None else self._vector(bias)
        group = inputs if weight.scale.ndim == 1 else SHARED
        self.kernels |= {"affine_float", "unpack_i4"}
        arguments = f"{w}, {scale}, {b}, {self._name(x)}, {padded(rows) // LANES}, {inputs}, {group}"
        return self._call("affine_w4", arguments, "affine_w4")

    def _affine_i8(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """The input is rounded once, however many affines read it."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        q, step = self.spell("buffer", f"q.{x.name}"), self.spell("step", f"q.{x.name}.step")
        if q not in self.rounded:
            self.rounded[q] = padded(inputs)
            self.kernels.add("quantize_i8")
            line = f"const float {step} = quantize_i8(state->{q}, {self._name(x)}, {inputs});"
            if x in self.plan.ins:
                self.openings.append(line)
            else:
                self._state(line)
        packed = rows_by_group(weight.stored)
        few = fewer(weight)
        scale = self._constant(weight, vector(weight.scale), suffix="_scale")
        sums = self._constant(weight, sums_i8(weight.stored), suffix="_sums")
        b = "NULL" if bias is None else self._vector(bias)
        rounded = f"{scale}, {b}, {sums}, state->{q}, {step}, {padded(rows) // LANES}"
        self.kernels.add("dot_i8")
        if few is not None:
            return self._call("affine_i8_sparse", f"{self._sparse(weight, few)}, {rounded}", "affine_i8")
        w = self._constant(weight, side_by_side(packed))
        return self._call("affine_i8", f"{w}, {rounded}, {-(-inputs // GROUP)}", "affine_i8")

    def _sparse(self, weight: Tensor, few: Sparse) -> str:
        """The arguments that say which blocks there are."""
        parts = {"": few.kept, "_index": few.index, "_starts": few.starts, "_order": few.order}
        return ", ".join(self._constant(weight, array, suffix=suffix) for suffix, array in parts.items())

    def add(self, a: Ref, b: Ref) -> Ref:
        return self._lane(f"f32_add({self._load(a)}, {self._load(b)})")

    def subtract(self, a: Ref, b: Ref) -> Ref:
        return self._lane(f"f32_sub({self._load(a)}, {self._load(b)})")

    def multiply(self, a: Ref, b: Ref) -> Ref:
        return self._lane(f"f32_mul({self._load(a)}, {self._load(b)})")

    def scale(self, x: Ref, by: Tensor | float, plus: Tensor | float = 0.0) -> Ref:
        each = [
            f"f32_load({self._vector(part, role)} + i)" if isinstance(part, Tensor) else f"f32_all({number(part)})"
            for part, role in ((by, "by"), (plus, "plus"))
        ]
        return self._lane(f"f32_add(f32_mul({self._load(x)}, {each[0]}), {each[1]})")

    def sigmoid(self, x: Ref) -> Ref:
        self.kernels.add("squash_f32")
        return self._lane(f"f32_sigmoid({self._load(x)})")

    def tanh(self, x: Ref) -> Ref:
        self.kernels.add("squash_f32")
        return self._lane(f"f32_tanh({self._load(x)})")

    def relu(self, x: Ref) -> Ref:
        return self._lane(f"f32_max(f32_all(0), {self._load(x)})")

    def softmax(self, x: Ref) -> Ref:
        return self._call("softmax_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def log(self, x: Ref) -> Ref:
        return self._call("log_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        del sizes
        for made in self.word.made:
            if made.name not in self.trace.last_use:
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

    def _lane(self, expression: str) -> Ref:
        """A value of the loop that is open, sixteen elements at a time."""
        (made,) = self.word.made
        self._lanes[made] = self.spell("lanes", f"{made.name}.i")
        self._state(f"const f32x16 {self._lanes[made]} = {expression};")
        return made

    def _load(self, ref: Ref) -> str:
        return self._lanes.get(ref) or f"f32_load({self._name(ref)} + i)"

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
        self.names[made.name] = self.spell("value", made.name)
        kind = "const float *const" if constant else "float *const"
        self._state(f"{kind} {self.names[made.name]} = {where};")

    def _name(self, ref: Ref) -> str:
        return self.names[ref.name]

    def _vector(self, tensor: Tensor, role: str = "") -> str:
        return self._constant(tensor, vector(tensor.dense(np.float32)), role)

    def _constant(self, tensor: Tensor, packed: Array, role: str = "", suffix: str = "") -> str:
        known = tensor in [arg for arg in self.word.args if isinstance(arg, Tensor)]
        name = self.plan.weight(tensor, self.word) if known else f"{self.word.made[0].name}.{role}"
        spelt = self.spell("constant", f"{name}{suffix}")
        shape = " x ".join(map(str, tensor.shape))
        kind = KINDS[packed.dtype.name]
        packed = packed if packed.size else np.zeros(1, packed.dtype)  # C has no empty arrays
        self.constants[spelt] = (
            f"/* {name}: {shape} */\nALIGNED static const {kind} {spelt}[{packed.size}] = {text(packed)};"
        )
        return spelt
