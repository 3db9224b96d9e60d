"""The trace: the operations of one step as a list that every target, backend and pass replays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from edgernn.model.record import LayerTrace, Op, Ref


@dataclass(frozen=True)
class State:
    """A carried state: the value before the step, and the one that becomes it after the step."""

    name: str
    before: Ref
    after: Ref


@dataclass(frozen=True)
class Trace:
    """One step: words in the order in which they run, from `x` and the states before to `y` and those after."""

    operations: tuple[Op, ...]
    x: Ref
    y: Ref
    states: tuple[State, ...]

    @property
    def results(self) -> tuple[Ref, ...]:
        """The values that outlive the step: `y`, then each state after it."""
        return (self.y, *(state.after for state in self.states))

    @cached_property
    def last_use(self) -> Mapping[str, int]:
        """The index of the word after which a value is no longer needed; results are needed for ever."""
        used = {ref.name: i for i, op in enumerate(self.operations) for ref in op.inputs}
        return used | {ref.name: len(self.operations) for ref in self.results}

    def __str__(self) -> str:
        return "\n".join(map(str, self.operations))


def simplified(layers: Mapping[str, LayerTrace], x: Ref) -> Trace:
    """The operations of one step, without repetition and without effect-free operations.

    Equal operations are merged. A part of a concatenation is replaced by the value that was concatenated. Operations
    that change nothing, and operations whose results nothing uses, are dropped.

    Args:
        layers: what each layer recorded, by its name, in the order in which the layers run.
        x: the input of the step.
    """
    known: dict[str, Ref] = {}
    written: dict[tuple[Any, ...], Op] = {}
    states = []
    for name, layer in layers.items():
        for op in layer.operations:
            _rewrite(replace(op, args=_resolved(op.args, known)), known, written)
        known[name] = _find(layer.y, known)
        states += [(f"{name}.{state}", before, layer.after[state]) for state, before in layer.before.items()]
    return without_idle(
        Trace(
            operations=tuple(written.values()),
            x=x,
            y=known[list(layers)[-1]],
            states=tuple(State(name, before, _find(after, known)) for name, before, after in states),
        )
    )


def _rewrite(op: Op, known: dict[str, Ref], written: dict[tuple[Any, ...], Op]) -> None:
    """Write the word down, unless its values exist already: then remember where."""
    key = (op.name, *op.args)
    same = _passed_on(op, written) or (written[key].outputs if key in written else None)
    if same is None:
        written[key] = op
    else:
        known.update({made.name: old for made, old in zip(op.outputs, same, strict=True)})


def _passed_on(op: Op, written: dict[tuple[Any, ...], Op]) -> tuple[Ref, ...] | None:
    """The values that a word only passes on, when it changes nothing."""
    if op.name == "scale" and op.args[1:] == (1.0, 0.0):
        return op.inputs
    if op.name == "concat" and len(op.args) == 1:
        return op.inputs
    if op.name == "concat":
        for other in written.values():
            if other.name == "split" and other.outputs == op.args:
                return other.inputs
    if op.name == "split" and len(op.widths) == 1:
        return op.inputs
    if op.name == "split":
        for other in written.values():
            if other.name == "concat" and other.outputs == op.inputs:
                return _parts(other.inputs, op.widths)
    return None


def _parts(pieces: tuple[Ref, ...], widths: tuple[int, ...]) -> tuple[Ref, ...] | None:
    """The concatenated pieces themselves, when a split cuts exactly where they meet."""
    return pieces if tuple(piece.width for piece in pieces) == widths else None


def _find(ref: Ref, known: Mapping[str, Ref]) -> Ref:
    return known.get(ref.name, ref)


def _resolved(args: tuple[Any, ...], known: Mapping[str, Ref]) -> tuple[Any, ...]:
    return tuple(_find(arg, known) if isinstance(arg, Ref) else arg for arg in args)


def without_idle(full: Trace) -> Trace:
    """The trace without the words that lead to no result."""
    wanted = {ref.name for ref in full.results}
    kept: list[Op] = []
    for op in reversed(full.operations):
        if wanted & {ref.name for ref in op.outputs}:
            kept.append(op)
            wanted |= {ref.name for ref in op.inputs}
    return replace(full, operations=tuple(reversed(kept)))
