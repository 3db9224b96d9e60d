"""The words of static layers as ONNX says integers: float nodes between DequantizeLinear and QuantizeLinear.

A runtime takes such a group for one kernel of integers where it has one, and computes it as it stands where not. Either
way each word is within a step or two of its grid from edgernn.interpreters.integer, given the same integers; it is not
the same bit for bit, since QuantizeLinear rounds halves to even and the definition rounds them up.

A split whose parts are only computed with cuts what its integers stand for, and not them: one node makes all parts
float.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.integer.forms import affine, lookup
from edgernn.integer.plan import IntegerPlan, QuantizationParameters
from edgernn.model.graph import INPUT
from edgernn.model.operation import Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.naming import NamedTrace
from edgernn_export.targets.onnx.operations import OnnxOps

DTYPES: Mapping[int, str] = {8: "int8", 16: "int16"}
"""The bits of a grid -> what holds its integers."""


class OnnxIntegerOps(OnnxOps):
    """Words with integers among them: these have the name of their value; with `.float` added, what they stand for."""

    def __init__(self, planned: NamedTrace, static: IntegerPlan) -> None:
        super().__init__(planned)
        self.static = static
        float_io = {state.before.name for state in planned.trace.states if state.name in static.io_quantization}
        self.held = (
            static.integer_values | float_io | ({INPUT} & static.io_quantization.keys())
        )  # values that are integers where they are made
        for output, ref in planned.outs.items():
            if self.names[ref.name] == output and (self._leaves(output) is None) == (ref.name in self.held):
                self.names[ref.name] = ref.name  # it leaves in the other form, which takes this name
        carried = {ref.name for output, ref in planned.outs.items() if self._leaves(output) is not None}
        moved = {ref.name for op in planned.trace.operations if static.moves(op) for ref in op.inputs}
        self.kept = carried | moved  # values that something takes as integers and does not compute with

    def affine(self, weight: Tensor, x: Ref, bias: Tensor | None = None) -> Ref:
        if not self._whole:
            return super().affine(weight, x, bias)
        assert weight.scale is not None
        ins = [self._name(x), self._rows(self.plan.weight(weight, self.op), weight.stored, weight.scale)]
        if bias is not None:
            form, qparams = affine(self.op, self.static), self.static.quantization[x.name]
            whole = form.bias + qparams.zero * form.weight.sum(axis=1)
            ins.append(
                self._rows(f"{self.op.outputs[0].name}.bias", whole.astype(np.int32), weight.scale * qparams.scale)
            )
        return self._node("Gemm", ins, transB=1)

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        made = self.op.outputs
        if not self._whole or not self.kept.isdisjoint(ref.name for ref in made):
            return super().split(x, sizes)
        numbers = self._numbers(self._integers(x), x)
        self._inside("Split", [numbers, self._shape(*sizes)], [f"{ref.name}.float" for ref in made], axis=1)
        return made

    def log(self, x: Ref) -> Ref:
        if not self._whole:
            return super().log(x)
        positive = f"{self.op.outputs[0].name}.positive"  # of what is below 0 there is no logarithm
        self._inside("Relu", [self._name(x)], [positive])
        self._inside("Log", [positive], [f"{self.op.outputs[0].name}.exact"])
        return self._on_its_integers()

    def lookup(self, table: Tensor, index: Ref) -> Ref:
        if not self._whole:
            return super().lookup(table, index)
        made = self.op.outputs[0]
        rows = lookup(self.op, self.static).table.astype(DTYPES[self.static.quantization[made.name].bits])
        return self._node("Gather", [self._store(f"{made.name}.table", rows), self._name(index)], axis=0)

    def result(self, output: str, ref: Ref) -> None:
        name = self._float(ref) if self._leaves(output) is None else self._integers(ref)
        if name != output:
            self._copy(name, output)

    def _leaves(self, output: str) -> QuantizationParameters | None:
        """The grid on which an output leaves, or None for one that is float."""
        return self.static.io_quantization.get(output.removesuffix(".out"))

    @property
    def _whole(self) -> bool:
        """Whether the word computes with integers."""
        return self.static.is_integer(self.op)

    def _name(self, ref: Ref) -> str:
        """What the word reads: integers, what they stand for, or a value that is float."""
        if not self._whole or ref.name not in self.static.quantization:
            return self._float(ref)
        q = self._integers(ref)
        return q if self.static.moves(self.op) else self._numbers(q, ref)

    def _node(self, kind: str, inputs: list[str], **attributes: float) -> Ref:
        if not self._whole or self.static.moves(self.op):
            return super()._node(kind, inputs, **attributes)
        self._inside(kind, inputs, [f"{self.op.outputs[0].name}.exact"], **attributes)
        return self._on_its_integers()

    def _on_its_integers(self) -> Ref:
        """What the word makes, from what it is in float."""
        (made,) = self.op.outputs
        self._inside("QuantizeLinear", [f"{made.name}.exact", *self._qparams(made)], [self.names[made.name]])
        return made

    def _float(self, ref: Ref) -> str:
        """A value as float, also where it was made as integers."""
        name = super()._name(ref)
        return self._numbers(name, ref) if ref.name in self.held else name

    def _integers(self, ref: Ref) -> str:
        """A value as integers, also where it was made as float: then rounded once, however many read it."""
        name, whole = super()._name(ref), f"{ref.name}.whole"
        if ref.name in self.held:
            return name
        if whole not in self.inside:
            self._inside("QuantizeLinear", [name, *self._qparams(ref)], [whole])
        return whole

    def _numbers(self, q: str, ref: Ref) -> str:
        """What the integers of a value stand for."""
        numbers = f"{ref.name}.float"
        if numbers not in self.inside:
            self._inside("DequantizeLinear", [q, *self._qparams(ref)], [numbers])
        return numbers

    def _qparams(self, ref: Ref) -> Sequence[str]:
        """The names of a value's scale and zero."""
        qparams = self.static.quantization[ref.name]
        zero = np.array(qparams.zero, DTYPES[qparams.bits])
        return self._store(f"{ref.name}.grid.scale", np.array(qparams.scale, np.float32)), self._store(
            f"{ref.name}.grid.zero", zero
        )

    def _rows(self, name: str, whole: NDArray[Any], scale: NDArray[Any]) -> str:
        """What the integers of weights stand for, each row with a scale of its own."""
        numbers = f"{name}.float"
        if numbers not in self.inside:
            # runtimes take no group for a kernel of integers whose zeros are only understood
            parts = {name: whole, f"{name}.scale": scale, f"{name}.zero": np.zeros(len(whole), whole.dtype)}
            ins = [self._store(part, array) for part, array in parts.items()]
            self._inside("DequantizeLinear", ins, [numbers], axis=0)
        return numbers
