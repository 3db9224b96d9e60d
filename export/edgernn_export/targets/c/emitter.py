"""The page that both readings write on: statements of C, constants, and what each value is called there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgernn.integer.plan import QuantizationParameters
from edgernn.interpreters.numpy import Array
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn.model.trace import replay
from edgernn_export.targets.c.casts import Bordered
from edgernn_export.targets.c.fusion import Group
from edgernn_export.targets.c.identifiers import Names
from edgernn_export.targets.c.layout import Layout
from edgernn_export.targets.c.pack import Sparse, text
from edgernn_export.targets.naming import NamedTrace

KINDS = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
}
SCRATCH = {"float": "scratch", "int8_t": "scratch_i8", "int16_t": "scratch_i16"}
"""What values are made of -> the array of the state that they lie in."""


def kind(qparams: QuantizationParameters | None) -> str:
    """What a value is made of in C: integers on its grid, or float."""
    return "float" if qparams is None else f"int{qparams.bits}_t"


@dataclass
class Emitter:
    """What has been written of a step, and the word that is being said."""

    plan: NamedTrace
    step: Bordered
    layout: Layout
    spell: Names
    names: dict[str, str]  # value -> its C name; inputs and states are given
    values: dict[str, Ref]
    constants: dict[str, str] = field(default_factory=dict)  # name -> definition
    rounded: dict[str, int] = field(default_factory=dict)  # buffer of int8 in the state -> its bytes
    kernels: set[str] = field(default_factory=set)
    openings: list[str] = field(default_factory=list)  # what can be done before all else, side by side
    statements: list[tuple[str, str]] = field(default_factory=list)  # (layer, statement)
    op: Op = field(init=False)

    @property
    def quantization(self) -> Mapping[str, QuantizationParameters]:
        """Of the values that are integers."""
        return self.step.quantization

    @property
    def floating(self) -> bool:
        """Whether any value is float; a symbol is an integer of its own kind."""
        steps = self.step.trace
        x = () if self.plan.graph.vocabulary_size else (steps.x,)
        refs = (*x, *(state.before for state in steps.states), *steps.results)
        made = (ref for op in steps.operations for ref in op.outputs)
        return any(ref.name not in self.quantization for ref in (*refs, *made))

    def hear(self, op: Op) -> None:
        """The word that comes next."""
        self.op = op

    def state(self, statement: str) -> None:
        """Write one statement."""
        self.statements.append((self.op.layer, statement))

    def say(self, group: Group, reading: Any) -> None:
        """Write the words of a group, a method of the reading for each."""
        replay(group.operations, reading, self.values, self.hear)

    def loop(self, group: Group, reading: Any, head: str, store: Callable[[Ref], str]) -> None:
        """Write the words of a group as the body of a loop, and what keeps the values that are read after it."""
        before = len(self.statements)
        self.say(group, reading)
        lines = self.statements[before:]
        self.statements[before:] = []
        for ref in group.stored:
            self.place(ref)
        self.state(f"for ({head}) {{")
        self.statements += [(layer, f"    {line}") for layer, line in lines]
        for ref in group.stored:
            self.state(f"    {store(ref)}")
        self.state("}")

    def kind(self, ref: Ref) -> str:
        """What a value is made of."""
        return kind(self.quantization.get(ref.name))

    def place(self, made: Ref) -> Ref:
        """Declare a value that the word makes, where the layout has room for it."""
        self.declare(made, f"{SCRATCH[self.kind(made)]} + {self.layout.offsets[made.name]}")
        return made

    def parts(self, x: Ref, made: tuple[Ref, ...]) -> None:
        """Declare the parts of a value that anyone reads."""
        for ref in made:
            if ref.name in self.step.trace.last_use:
                self.declare(ref, f"{self.names[x.name]} + {self.layout.parts[ref.name][1]}", "const ")

    def declare(self, made: Ref, where: str, const: str = "") -> None:
        """Give a value its name."""
        self.names[made.name] = self.spell("value", made.name)
        self.state(f"{const}{self.kind(made)} *const {self.names[made.name]} = {where};")

    def call(self, kernel: str, arguments: str, header: str) -> Ref:
        """Make the word's one value with a kernel of c_runtime."""
        self.kernels.add(header)
        made = self.place(self.op.outputs[0])
        self.state(f"{kernel}({self.names[made.name]}, {arguments});")
        return made

    def constant(self, tensor: Tensor, packed: Array, role: str = "", suffix: str = "") -> str:
        """Define an array that comes from a tensor of the word; its name."""
        known = tensor in [arg for arg in self.op.args if isinstance(arg, Tensor)]
        name = self.plan.weight(tensor, self.op) if known else f"{self.op.outputs[0].name}.{role}"
        return self.array(f"{name}{suffix}", packed, f"{name}: {' x '.join(map(str, tensor.shape))}")

    def sparse(self, weight: Tensor, few: Sparse) -> str:
        """The arguments that say which blocks of a weight there are."""
        parts = {"": few.kept, "_index": few.index, "_starts": few.starts, "_order": few.order}
        return ", ".join(self.constant(weight, array, suffix=suffix) for suffix, array in parts.items())

    def array(self, name: str, packed: Array, about: str) -> str:
        """Define an array; its name."""
        spelt = self.spell("constant", name)
        packed = packed if packed.size else np.zeros(1, packed.dtype)  # C has no empty arrays
        made = KINDS[packed.dtype.name]
        self.constants[spelt] = f"/* {about} */\nALIGNED static const {made} {spelt}[{packed.size}] = {text(packed)};"
        return spelt
