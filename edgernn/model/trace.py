"""The trace of a graph: the operations of one step, which every target, backend and pass replays."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from edgernn.model.layer_trace import LayerTrace
from edgernn.model.operation import Op, Ref


@dataclass(frozen=True)
class State:
    """A state that is carried from step to step: its value before the step, and its value after it."""

    name: str
    before: Ref
    after: Ref


@dataclass(frozen=True)
class Trace:
    """The operations of one step, in order: from `x` and the states before the step to `y` and the states after it."""

    operations: tuple[Op, ...]
    x: Ref
    y: Ref
    states: tuple[State, ...]

    @property
    def results(self) -> tuple[Ref, ...]:
        """The values that outlive the step: `y`, then each state after the step."""
        return (self.y, *(state.after for state in self.states))

    @cached_property
    def last_use(self) -> Mapping[str, int]:
        """The index of the last operation that reads each value; the number of operations for a result."""
        reads = {ref.name: i for i, op in enumerate(self.operations) for ref in op.inputs}
        return reads | {ref.name: len(self.operations) for ref in self.results}

    def __str__(self) -> str:
        return "\n".join(map(str, self.operations))


def simplified(layers: Mapping[str, LayerTrace], x: Ref) -> Trace:
    """Return the operations of one step, simplified.

    Equal operations are merged. The parts of a concatenation are replaced by its inputs, and an operation without
    effect by its input. Operations whose outputs are not used are dropped.

    Args:
        layers: the operations of each layer, by its name, in the order in which the layers run.
        x: the input of the step.
    """
    aliases: dict[str, Ref] = {}
    unique = _Unique()
    states = []
    for name, layer in layers.items():
        for op in layer.operations:
            unique.add(_direct(replace(op, args=_resolved(op.args, aliases)), unique), aliases)
        aliases[name] = _resolve(layer.y, aliases)
        states += [(f"{name}.{state}", before, layer.after[state]) for state, before in layer.before.items()]
    return without_unused(
        Trace(
            operations=tuple(unique.operations.values()),
            x=x,
            y=aliases[list(layers)[-1]],
            states=tuple(State(name, before, _resolve(after, aliases)) for name, before, after in states),
        )
    )


@dataclass(frozen=True)
class _Unique:
    """The operations so far, none of which equals another.

    Attributes:
        operations: by their name and arguments, in order.
        sources: the operation that computes each value, by the value's name.
    """

    operations: dict[tuple[Any, ...], Op] = field(default_factory=dict)
    sources: dict[str, Op] = field(default_factory=dict)

    def add(self, op: Op, aliases: dict[str, Ref]) -> None:
        """Add an operation, unless its outputs exist already: then add aliases for them."""
        key = (op.name, *op.args)
        existing = _unchanged(op, self) or (self.operations[key].outputs if key in self.operations else None)
        if existing is None:
            self.operations[key] = op
            self.sources.update((ref.name, op) for ref in op.outputs)
        else:
            aliases.update({output.name: ref for output, ref in zip(op.outputs, existing, strict=True)})

    def source(self, ref: Ref, name: str) -> Op | None:
        """Return the operation that computes a value, if it has this name."""
        op = self.sources.get(ref.name)
        return op if op is not None and op.name == name else None


def _direct(op: Op, unique: _Unique) -> Op:
    """Return a reshape of a reshape as one reshape; any other operation as it is."""
    before = unique.source(op.args[0], "reshape") if op.name == "reshape" else None
    return op if before is None else replace(op, args=(*before.args[:2], op.args[2]))


def _unchanged(op: Op, unique: _Unique) -> tuple[Ref, ...] | None:
    """Return the values that an operation without effect passes on; None for any other operation."""
    if op.name == "scale" and op.args[1:] == (1.0, 0.0):
        return op.inputs
    if op.name == "concat" and len(op.args) == 1:
        return op.inputs
    if op.name == "reshape" and op.args[1] == op.args[2]:
        return op.inputs
    if op.name == "concat":
        whole = unique.source(op.args[0], "split")
        return whole.inputs if whole is not None and whole.outputs == op.args else None
    if op.name == "split" and len(op.widths) == 1:
        return op.inputs
    if op.name == "split":
        joined = unique.source(op.args[0], "concat")
        return None if joined is None else _parts(joined.inputs, op.widths)
    return None


def _parts(pieces: tuple[Ref, ...], widths: tuple[int, ...]) -> tuple[Ref, ...] | None:
    """Return the concatenated pieces, when a split has their widths."""
    return pieces if tuple(piece.width for piece in pieces) == widths else None


def _resolve(ref: Ref, aliases: Mapping[str, Ref]) -> Ref:
    return aliases.get(ref.name, ref)


def _resolved(args: tuple[Any, ...], aliases: Mapping[str, Ref]) -> tuple[Any, ...]:
    return tuple(_resolve(arg, aliases) if isinstance(arg, Ref) else arg for arg in args)


def without_unused(full: Trace) -> Trace:
    """Return the trace without the operations that contribute to no result."""
    used = {ref.name for ref in full.results}
    operations: list[Op] = []
    for op in reversed(full.operations):
        if used & {ref.name for ref in op.outputs}:
            operations.append(op)
            used |= {ref.name for ref in op.inputs}
    return replace(full, operations=tuple(reversed(operations)))
