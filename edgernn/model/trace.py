"""The trace of a graph: the operations of one step, which every target, backend and pass replays."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from edgernn.errors import UnsupportedError
from edgernn.model.graph import INPUT, Graph
from edgernn.model.operation import Op, Ref

T = TypeVar("T")


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


def trace(graph: Graph) -> Trace:
    """Return the operations of one step, simplified.

    Equal operations are merged. The parts of a concatenation are replaced by its inputs, and an operation without
    effect by its input. Operations whose outputs are not used are dropped.
    """
    aliases: dict[str, Ref] = {}
    unique: dict[tuple[Any, ...], Op] = {}
    states = []
    for layer in graph.layers:
        traced = graph.layer_traces[layer.name]
        for op in traced.operations:
            _add(replace(op, args=_resolved(op.args, aliases)), aliases, unique)
        aliases[layer.name] = _resolve(traced.y, aliases)
        for name, before in traced.before.items():
            states.append((f"{layer.name}.{name}", before, traced.after[name]))
    return without_unused(
        Trace(
            operations=tuple(unique.values()),
            x=Ref(INPUT, graph.inputs),
            y=aliases[graph.layers[-1].name],
            states=tuple(State(name, before, _resolve(after, aliases)) for name, before, after in states),
        )
    )


def replay(
    operations: Iterable[Op], ops: Any, values: dict[str, T], said: Callable[[Op], None] | None = None
) -> dict[str, T]:
    """Say each word to `ops`, a reading with a method for each of edgernn.model.ops.WORDS.

    Args:
        words: those of a trace, or some of them.
        ops: its methods take the reading's own values where the word has a Ref.
        values: `x` and the states before, by name; what is made is added to it.
        said: called with each word before it is said.

    Returns:
        `values`.

    Raises:
        UnsupportedError: the reading has no method for a word.
    """
    for op in operations:
        if said is not None:
            said(op)
        say = getattr(ops, op.name, None)
        if say is None:
            raise UnsupportedError(
                f"layer '{op.layer}' says '{op.name}', which {type(ops).__name__} cannot; write it in other words"
            )
        made = say(*[values[arg.name] if isinstance(arg, Ref) else arg for arg in op.args])
        for ref, value in zip(op.outputs, made if op.name == "split" else (made,), strict=True):
            values[ref.name] = value
    return values


def _add(op: Op, aliases: dict[str, Ref], unique: dict[tuple[Any, ...], Op]) -> None:
    """Add an operation, unless its outputs exist already: then add aliases for them."""
    key = (op.name, *op.args)
    existing = _unchanged(op, unique) or (unique[key].outputs if key in unique else None)
    if existing is None:
        unique[key] = op
    else:
        aliases.update({output.name: ref for output, ref in zip(op.outputs, existing, strict=True)})


def _unchanged(op: Op, unique: dict[tuple[Any, ...], Op]) -> tuple[Ref, ...] | None:
    """Return the values that an operation without effect passes on; None for any other operation."""
    if op.name == "scale" and op.args[1:] == (1.0, 0.0):
        return op.inputs
    if op.name == "concat" and len(op.args) == 1:
        return op.inputs
    if op.name == "concat":
        for other in unique.values():
            if other.name == "split" and other.outputs == op.args:
                return other.inputs
    if op.name == "split" and len(op.widths) == 1:
        return op.inputs
    if op.name == "split":
        for other in unique.values():
            if other.name == "concat" and other.outputs == op.inputs:
                return _parts(other.inputs, op.widths)
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
