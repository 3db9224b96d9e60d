"""What the interpreters of C have in common: values without arithmetic, and loops over elements."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgernn.model.operation import Op, Ref
from edgernn.model.replay import MethodInterpreter, replay
from edgernn_export.targets.c.emitter import Emitter
from edgernn_export.targets.c.fusion import Group
from edgernn_export.targets.c.moves import MOVE, moves, runs


class COps(MethodInterpreter, ABC):
    """Writes operations as statements; a value is its Ref, whose C name is a pointer.

    Elementwise operations of one group are the body of one loop over blocks of elements. Any other operation is a call
    of a kernel.
    """

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.lanes: dict[Ref, str] = {}  # value -> its variable in the loop that is being written
        self.by_position = False  # whether that loop is inside one over positions

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Write one operation; its method reads it from `self.emitter.op`."""
        self.emitter.op = op
        return super().apply(op, args)

    def write(self, group: Group) -> None:
        """Write the operations of a group."""
        emitter, start = self.emitter, len(self.emitter.statements)
        op = group.operations[0]
        self.by_position = group.is_loop and op.positions > 1 and any(map(self.per_element, group.operations))
        replay(group.operations, self, emitter.values)
        guard = emitter.unless_same(op)
        if not group.is_loop:
            emitter.statements[start:] = [each.under(guard) for each in emitter.statements[start:]]
            return
        body = emitter.statements[start:]
        emitter.statements[start:] = []
        for ref in group.stored:
            emitter.place(ref)
        every = emitter.each(op.outputs[0]) if self.by_position else ""
        head = f"{guard}{every}for ({self.head(op.widths[0] if self.by_position else op.size)}) {{"
        lines = [*(each.text for each in body), *(f"{self.store(ref)};" for ref in group.stored)]
        for each in body:
            emitter.pending.update(each.calls)
        emitter.emit("\n".join([head, *(f"    {line}" for line in lines), "}"]), variables=tuple(self.lanes.values()))
        self.lanes.clear()

    @abstractmethod
    def head(self, elements: int) -> str:
        """The head of a group's loop over this number of elements."""

    @abstractmethod
    def per_element(self, op: Op) -> bool:
        """Whether an elementwise operation has constants for each element of a position, and so a loop over these."""

    @abstractmethod
    def store(self, ref: Ref) -> str:
        """The call that stores a variable of the loop."""

    def element(self, ref: Ref) -> str:
        """The C expression of element i of a value, in the loop that is being written."""
        name = self.emitter.names[ref.name]
        return self.emitter.at(name, ref, "i") if self.by_position else f"{name} + i"

    def position(self, ref: Ref) -> str:
        """The C expression of position p of a value, which `Emitter.kernel` computes next."""
        return self.emitter.position(ref)

    def split(self, x: Ref, sizes: Sequence[int]) -> tuple[Ref, ...]:
        if self.emitter.op.positions == 1:
            self.emitter.parts(x, self.emitter.op.outputs)
        else:
            starts = [sum(sizes[:i]) for i in range(len(sizes))]
            for ref, start in zip(self.emitter.op.outputs, starts, strict=True):
                if ref.name in self.emitter.step.trace.last_use:
                    self._rows(self.emitter.place(ref), ref, f"{self.emitter.names[x.name]} + {start}", x, ref.width)
        return self.emitter.op.outputs

    def concat(self, *xs: Ref) -> Ref:
        result = self.emitter.op.outputs[0]
        name, at = self.emitter.place(result), 0
        for x in xs:
            source = self.emitter.names[x.name]
            if result.positions > 1:
                self._rows(f"{name} + {at}", result, source, x, x.width)
            else:
                self.emitter.emit(self.emitter.copy(f"{name} + {at}", source, self.copied(x)))
            at += x.width
        return result

    @abstractmethod
    def copied(self, x: Ref) -> str:
        """The C expression of the bytes of a value that is copied."""

    def reshape(self, x: Ref, _before: int, _after: int) -> Ref:
        self.emitter.parts(x, self.emitter.op.outputs)
        return self.emitter.op.outputs[0]

    def gather(self, x: Ref, _before: int, index: Sequence[int]) -> Ref:
        emitter, result = self.emitter, self.emitter.op.outputs[0]
        rows = runs(index, x.width)
        loops = moves(rows)
        if loops is None:
            comment = f"{result.name}: first element and number of each run"
            array = emitter.array(f"{result.name}.runs", np.array(rows, np.int32).ravel(), comment)
            function = f"gather_{self.suffix(x)}"
            return emitter.whole("positions", function, emitter.names[x.name], array, len(rows), self.zero(x))
        name = emitter.place(result)
        emitter.headers.add("moves")
        if -1 in index:
            emitter.emit(f"EDGERNN_ROLLED for (size_t i = 0; i < {result.size}; ++i) {name}[i] = {self.zero(x)};")
        for move in loops:
            emitter.count(MOVE)
            emitter.emit(move.statement(name, emitter.names[x.name], emitter.value_type(x)))
        return result

    def largest(self, x: Ref, _before: int, size: int) -> Ref:
        rows = self.emitter.op.positions
        name = self.emitter.names[x.name]
        return self.emitter.whole("positions", f"largest_{self.suffix(x)}", name, rows, size, x.width)

    def zero(self, x: Ref) -> int:
        """What represents 0 in the elements of a value."""
        qparams = self.emitter.quantization.get(x.name)
        return 0 if qparams is None else qparams.zero

    def suffix(self, x: Ref) -> str:
        """How the names of kernels for the elements of a value end."""
        qparams = self.emitter.quantization.get(x.name)
        return "f32" if qparams is None else f"i{qparams.bits}"

    def _rows(self, target: str, to: Ref, source: str, x: Ref, width: int) -> None:
        """Copy a part of each position."""
        self.emitter.headers.add("positions")
        call = self.emitter.call(f"rows_{self.suffix(x)}", target, to.width, source, x.width, x.positions, width)
        self.emitter.emit(f"{call};")
