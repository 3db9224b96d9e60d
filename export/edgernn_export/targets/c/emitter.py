"""The emitter: it collects the statements and arrays of a step in C, and the C name of each value."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgernn.array import Array
from edgernn.integer.plan import QuantizationParameters
from edgernn.model.operation import Op, Ref
from edgernn.model.tensor import Tensor
from edgernn_export.targets.c.casts import CastTrace
from edgernn_export.targets.c.declarations import Constant, Field
from edgernn_export.targets.c.delta import Reuse
from edgernn_export.targets.c.identifiers import Identifiers
from edgernn_export.targets.c.layout import Layout, padded
from edgernn_export.targets.c.loops import Pointer, Statement
from edgernn_export.targets.c.pack import SparseBlocks
from edgernn_export.targets.c.rounding import Rounded
from edgernn_export.targets.naming import NamedTrace

SCRATCH = {
    "float": "scratch",
    "int8_t": "scratch_i8",
    "int16_t": "scratch_i16",
    "int32_t": "scratch_i32",
    "int64_t": "scratch_i64",
}
"""The C type of a value -> the field of the struct that holds such values during a step."""


def value_type(qparams: QuantizationParameters | None) -> str:
    """The C type of a value's elements: an integer where the value has quantization parameters, else float."""
    return "float" if qparams is None else f"int{qparams.bits}_t"


@dataclass
class Emitter:
    """The C code of a step while it is being written.

    Attributes:
        named: the graph and the names of its values.
        step: the trace that is written.
        layout: where each value is stored.
        identifiers: gives C identifiers.
        names: the C expression of each value, by the value's name; at first of the inputs and the states.
        values: the values of the trace by name, for `replay`.
        roles: value of a step that repeats -> the value in its place in the first turn, and the turn.
        rounded: where each input rounded to int8 is stored.
        reuse: what is kept from step to step.
        constants: the arrays of the source, by C identifier.
        buffers: the fields of the struct that hold inputs rounded to int8 -> their bytes.
        fields: the fields of the struct that hold what is kept.
        ages: the names of those that count the steps since a kept affine read all columns.
        headers: the files of c_runtime that the code needs.
        openings: statements that do not depend on any other, so they come first.
        statements: those of the operations, in order.
        calls: how often the text calls each function.
        pending: the calls since the last statement.
        alike: the constants of repeated steps, by role and content.
        locals: the variables of the function that later statements read -> their elements; 0 for a number.
        many_headers: the files of c_runtime that the code for several streams needs besides.
        op: the operation that is being written.
    """

    named: NamedTrace
    step: CastTrace
    layout: Layout
    identifiers: Identifiers
    names: dict[str, str]
    values: dict[str, Ref]
    roles: Mapping[str, tuple[str, int]]
    rounded: Mapping[str, Rounded]
    reuse: Reuse = field(default_factory=Reuse)
    constants: dict[str, Constant] = field(default_factory=dict)
    buffers: dict[str, int] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    ages: list[str] = field(default_factory=list)
    headers: set[str] = field(default_factory=set)
    openings: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    pending: Counter[str] = field(default_factory=Counter)
    alike: dict[tuple[str, bytes, bytes], str] = field(default_factory=dict)
    locals: dict[str, int] = field(default_factory=dict)
    many_headers: set[str] = field(default_factory=set)
    op: Op = field(init=False)

    @property
    def quantization(self) -> Mapping[str, QuantizationParameters]:
        """The quantization parameters of the values that are integers, by name."""
        return self.step.quantization

    @property
    def has_floats(self) -> bool:
        """Whether any value is float; a symbol is an int32_t."""
        steps = self.step.trace
        x = () if self.named.graph.vocabulary_size else (steps.x,)
        refs = (*x, *(state.before for state in steps.states), *steps.results)
        outputs = (ref for op in steps.operations for ref in op.outputs)
        return any(ref.name not in self.quantization for ref in (*refs, *outputs))

    def emit(self, text: str, pointer: Pointer | None = None, variables: tuple[str, ...] = ()) -> None:
        """Append one statement."""
        self.statements.append(Statement(self.op.layer, text, pointer, variables, self.pending))
        self.pending = Counter()

    def open(self, text: str) -> None:
        """Append a statement that comes first."""
        self.openings.append(text)
        self.pending = Counter()

    def count(self, function: str) -> None:
        """Count a call."""
        self.calls[function] += 1
        self.pending[function] += 1

    def call(self, function: str, *arguments: object) -> str:
        """The text of a call, which is counted."""
        self.count(function)
        return f"{function}({', '.join(map(str, arguments))})"

    def copy(self, target: str, source: str, size: str) -> str:
        """The statement that copies `size` bytes."""
        return f"{self.call('memcpy', target, source, size)};"

    def value_type(self, ref: Ref) -> str:
        """The C type of a value's elements."""
        return value_type(self.quantization.get(ref.name))

    def place(self, ref: Ref) -> str:
        """Declare a result of the operation at its place in the layout, or in a field of its own; its C name."""
        if ref.name in self.reuse.sources:
            own = self.field(self.value_type(ref), f"{ref.name}.kept", padded(ref.size))
            return self.declare(ref, f"state->{own}", 0)
        return self.declare(ref, SCRATCH[self.value_type(ref)], self.layout.offsets[ref.name])

    def parts(self, x: Ref, parts: tuple[Ref, ...]) -> None:
        """Declare the parts of a value that an operation uses."""
        for ref in parts:
            if ref.name in self.step.trace.last_use:
                self.declare(ref, self.names[x.name], self.layout.parts[ref.name][1], "const ")

    def declare(self, ref: Ref, base: str, offset: int, const: str = "") -> str:
        """Give a value a C name, which is returned."""
        name = self.names[ref.name] = self.identifiers("value", ref.name)
        pointer = Pointer(name, f"{const}{self.value_type(ref)}", base, offset)
        self.statements.append(Statement(self.op.layer, pointer.text, pointer))
        return name

    def kernel(self, header: str, function: str, *arguments: object) -> Ref:
        """Compute each position of the operation's one result with a kernel of c_runtime."""
        self.headers.add(header)
        result = self.op.outputs[0]
        call = self.call(function, self.at(self.place(result), result), *arguments)
        self.emit(f"{self.each(result)}{call};")
        return result

    def changed(
        self,
        header: str,
        function: str,
        *arguments: object,
        inputs: tuple[object, ...],
        threshold: object,
        sums: str = "",
    ) -> Ref:
        """Compute a kept affine with a kernel of c_runtime, which says whether anything changed.

        Args:
            header, function: of the kernel.
            arguments: its weights and constants.
            inputs: x, and what the kernel takes after the age.
            threshold: beyond which a change is used, as the kernel takes it.
            sums: the C type of a field for sums that are not the result.
        """
        self.headers.add(header)
        result, size = self.op.outputs[0], padded(self.op.widths[0])
        held, y = self.reuse.affines[result.name], self.place(result)
        own = f"state->{self.field(sums, f'{result.name}.sums', size)}" if sums else "NULL"
        age = self.field("uint32_t", f"{result.name}.age", 1)
        self.ages.append(age)
        x, *shape = inputs
        state = self.names[held.state.name]
        call = self.call(function, y, own, *arguments, x, state, threshold, f"state->{age}", *shape)
        if result.name in self.reuse.watched:
            self.field("uint32_t", f"{result.name}.changed", 1)
            call = f"{self._changed(result.name)} = (uint32_t){call}"
        self.emit(f"{call};")
        return result

    def unless_same(self, op: Op) -> str:
        """The condition under which an operation that depends on kept results alone is computed; "" for any other."""
        result = op.outputs[0].name
        if result not in self.reuse.sources or result in self.reuse.affines:
            return ""
        return f"if ({' | '.join(map(self._changed, self.reuse.sources[result]))}) "

    def _changed(self, affine: str) -> str:
        """The C expression that is not 0 where a kept affine changed."""
        return f"state->{self.identifiers('field', f'{affine}.changed')}[0]"

    def field(self, c_type: str, name: str, length: int) -> str:
        """Declare a field of the struct for what is kept; its name."""
        identifier = self.identifiers("field", name)
        self.fields.append(Field(c_type, identifier, length))
        return identifier

    def together(self, header: str, function: str, *arguments: object) -> None:
        """Say how the last statement is computed for n streams at once: by one call of a kernel of c_runtime.

        Args:
            header: the file of the kernel.
            function: its name.
            *arguments: behind the result, which is its first.
        """
        self.many_headers.add(header)
        result = self.op.outputs[0]
        call = f"{function}({', '.join(map(str, (self.names[result.name], *arguments)))});"
        self.statements[-1] = replace(self.statements[-1], together=call)

    def far(self, ref: Ref) -> str:
        """The C expression of how far the elements of a value are from those of the next stream."""
        return f"FAR({self.value_type(ref)})"

    def whole(self, header: str, function: str, *arguments: object) -> Ref:
        """Compute all positions of the operation's one result with one call of a kernel of c_runtime."""
        self.headers.add(header)
        result = self.op.outputs[0]
        self.emit(f"{self.call(function, self.place(result), *arguments)};")
        return result

    def work(self, c_type: str) -> str:
        """Declare the memory that the operation needs beside its result; its C name."""
        value = f"{self.op.outputs[0].name}.work"
        name = self.identifiers("value", value)
        pointer = Pointer(name, c_type, SCRATCH[c_type], self.layout.offsets[value])
        self.statements.append(Statement(self.op.layer, pointer.text, pointer))
        return name

    def position(self, x: Ref) -> str:
        """The C expression of position p of a value, which `kernel` or `positions` computes next."""
        return self.at(self.names[x.name], x)

    def positions(self, lines: Sequence[str]) -> Ref:
        """Write the statements that compute one position of the operation's one result, for each of them."""
        result = self.op.outputs[0]
        every = self.each(result)
        self.emit("\n".join([f"{every}{{", *(f"    {line}" for line in lines), "}"] if every else lines))
        return result

    @staticmethod
    def at(name: str, ref: Ref, index: str = "") -> str:
        """The C expression of position p of a value, inside a loop over its positions; with an index, of an element."""
        return " + ".join([name, *([f"p * {ref.width}"] if ref.positions > 1 else []), *([index] if index else [])])

    @staticmethod
    def each(ref: Ref) -> str:
        """The head of a loop over the positions of a value; empty for a single one."""
        return f"for (size_t p = 0; p < {ref.positions}; ++p) " if ref.positions > 1 else ""

    def constant(self, tensor: Tensor, packed: Array, role: str = "", suffix: str = "") -> str:
        """Define an array that is made of a tensor of the operation; its C name."""
        of_operation = tensor in [arg for arg in self.op.args if isinstance(arg, Tensor)]
        name = self.named.weight(tensor, self.op) if of_operation else f"{self.op.outputs[0].name}.{role}"
        return self.array(f"{name}{suffix}", packed, f"{name}: {' x '.join(map(str, tensor.shape))}")

    def sparse(self, weight: Tensor, blocks: SparseBlocks) -> tuple[str, ...]:
        """Define the arrays of a sparse weight; their C names, as kernels take them."""
        parts = {"": blocks.blocks, "_index": blocks.index, "_starts": blocks.starts, "_order": blocks.order}
        return tuple(self.constant(weight, array, suffix=suffix) for suffix, array in parts.items())

    def array(self, name: str, packed: Array, comment: str, shifted: Array | None = None) -> str:
        """Define an array; its C name. `shifted` is as in Constant.

        Equal arrays of a value and of the values of its role are one.
        """
        result = self.op.outputs[0].name
        if result in self.roles and name.startswith(f"{result}."):
            role = self.roles[result][0] + name.removeprefix(result)
            key = role, packed.tobytes(), b"" if shifted is None else shifted.tobytes()
            if key in self.alike:
                return self.alike[key]
            self.alike[key] = self.identifiers("constant", name)
        identifier = self.identifiers("constant", name)
        packed = packed if packed.size else np.zeros(1, packed.dtype)  # C has no empty arrays
        self.constants[identifier] = Constant(identifier, packed, comment, shifted)
        return identifier
