"""Each word in float as a statement of C."""

from collections.abc import Sequence

import numpy as np

from edgernn.model.operation import Ref
from edgernn.model.tensor import DYNAMIC, FOUR_BITS, GROUP as SHARED, Tensor
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.fusion import Group
from edgernn_export.targets.c.layout import LANES, padded
from edgernn_export.targets.c.pack import (
    GROUP,
    fewer,
    number,
    rows_by_column,
    rows_by_group,
    scales_by_group,
    side_by_side,
    sums_i8,
    vector,
)

KERNELS = {"": "affine_f32", "fp16": "affine_f16", "weight_only_wi8_afp32": "affine_w8"}
"""How weights are kept -> the kernel that reads them; four bits and dynamic int8 have a method each."""


class CFloatOps:
    """Each word as a call of a kernel, or as a line of a loop over lanes; a value is its Ref, spelt as a pointer."""

    def __init__(self, page: Emitter) -> None:
        self.page = page
        self._lanes: dict[Ref, str] = {}  # value -> its name in the loop that is open

    def say(self, group: Group) -> None:
        """Write the words of a group."""
        if not group.looped:
            self.page.say(group, self)
            return
        head = f"size_t i = 0; i < {padded(group.width)}; i += {LANES}"
        self.page.loop(group, self, head, lambda ref: f"f32_store({self._name(ref)} + i, {self._lanes[ref]});")
        self._lanes.clear()

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
            arguments = f"{self.page.sparse(weight, few)}, {b}, {self._name(x)}, {blocks}"
            return self.page.call("affine_f32_sparse", arguments, "affine_float")
        beside = side_by_side(packed)
        w = self.page.constant(weight, beside.view(np.uint16) if beside.dtype == np.float16 else beside)
        scale = "NULL" if weight.scale is None else self.page.constant(weight, vector(weight.scale), suffix="_scale")
        arguments = f"{w}, {scale}, {b}, {self._name(x)}, {blocks}, {inputs}"
        return self.page.call(KERNELS[weight.scheme], arguments, "affine_float")

    def _affine_w4(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """As it is kept: two inputs in a byte, so a column of bytes is two of the matrix."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        w = self.page.constant(weight, side_by_side(rows_by_column(weight.stored)))
        scale = self.page.constant(weight, scales_by_group(weight.scale), suffix="_scale")
        b = "NULL" if bias is None else self._vector(bias)
        group = inputs if weight.scale.ndim == 1 else SHARED
        arguments = f"{w}, {scale}, {b}, {self._name(x)}, {padded(rows) // LANES}, {inputs}, {group}"
        return self.page.call("affine_w4", arguments, "affine_w4")

    def _affine_i8(self, weight: Tensor, x: Ref, bias: Tensor | None) -> Ref:
        """The input is rounded once, however many affines read it."""
        assert weight.scale is not None
        rows, inputs = weight.shape
        q, step = self.page.spell("buffer", f"q.{x.name}"), self.page.spell("step", f"q.{x.name}.step")
        if q not in self.page.rounded:
            self.page.rounded[q] = padded(inputs)
            self.page.kernels.add("quantize_i8")
            line = f"const float {step} = quantize_i8(state->{q}, {self._name(x)}, {inputs});"
            if x in self.page.plan.ins:
                self.page.openings.append(line)
            else:
                self.page.state(line)
        packed = rows_by_group(weight.stored)
        few = fewer(weight)
        scale = self.page.constant(weight, vector(weight.scale), suffix="_scale")
        sums = self.page.constant(weight, sums_i8(weight.stored), suffix="_sums")
        b = "NULL" if bias is None else self._vector(bias)
        rounded = f"{scale}, {b}, {sums}, state->{q}, {step}, {padded(rows) // LANES}"
        if few is not None:
            return self.page.call("affine_i8_sparse", f"{self.page.sparse(weight, few)}, {rounded}", "affine_i8")
        w = self.page.constant(weight, side_by_side(packed))
        return self.page.call("affine_i8", f"{w}, {rounded}, {-(-inputs // GROUP)}", "affine_i8")

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
        self.page.kernels.add("squash_f32")
        return self._lane(f"f32_sigmoid({self._load(x)})")

    def tanh(self, x: Ref) -> Ref:
        self.page.kernels.add("squash_f32")
        return self._lane(f"f32_tanh({self._load(x)})")

    def relu(self, x: Ref) -> Ref:
        return self._lane(f"f32_max(f32_all(0), {self._load(x)})")

    def softmax(self, x: Ref) -> Ref:
        return self.page.call("softmax_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def log(self, x: Ref) -> Ref:
        return self.page.call("log_f32", f"{self._name(x)}, {x.width}", "whole_f32")

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        del sizes
        self.page.parts(x, self.page.op.outputs)
        return self.page.op.outputs

    def concat(self, *xs: Ref) -> Ref:
        made = self.page.place(self.page.op.outputs[0])
        at = 0
        for x in xs:
            self.page.state(f"memcpy({self._name(made)} + {at}, {self._name(x)}, {x.width} * sizeof(float));")
            at += x.width
        return made

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        width = table.shape[1]
        name = self.page.constant(table, table.dense(np.float32).reshape(-1), suffix="_table")
        made = self.page.place(self.page.op.outputs[0])
        source = f"{name} + {width} * (size_t){self._name(index)}[0]"
        self.page.state(f"memcpy({self._name(made)}, {source}, {width} * sizeof(float));")
        return made

    def normalize(self, x: Ref, gain: Tensor | None, bias: Tensor | None, eps: float) -> Ref:
        extra = ["NULL" if part is None else self._vector(part) for part in (gain, bias)]
        arguments = f"{self._name(x)}, {', '.join(extra)}, {number(eps)}, {x.width}"
        return self.page.call("normalize_f32", arguments, "whole_f32")

    def _lane(self, expression: str) -> Ref:
        """A value of the loop that is open, sixteen elements at a time."""
        self.page.kernels.add("lanes")
        (made,) = self.page.op.outputs
        self._lanes[made] = self.page.spell("lanes", f"{made.name}.i")
        self.page.state(f"const f32x16 {self._lanes[made]} = {expression};")
        return made

    def _load(self, ref: Ref) -> str:
        return self._lanes.get(ref) or f"f32_load({self._name(ref)} + i)"

    def _name(self, ref: Ref) -> str:
        return self.page.names[ref.name]

    def _vector(self, tensor: Tensor, role: str = "") -> str:
        return self.page.constant(tensor, vector(tensor.dense(np.float32)), role)
