"""The step of a graph bound once: recorded from the definition, and run as a flat list of calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.bound.memory import Plan, planned, zeros
from edgernn.interpreters.bound.recorded import Recorded
from edgernn.interpreters.bound.recorder import NumpyRecorder
from edgernn.interpreters.bound.siblings import SQUASH, Part, kinds, scheduled, together
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace


class Definition(Protocol):
    """An interpreter of numpy, which also says in which form a value leaves the step."""

    def apply(self, op: Op, args: Sequence[Any], /) -> Any:
        """Apply one operation, as edgernn.model.replay.Interpreter."""

    def joins(self, op: Op, /) -> bool:
        """Return whether an operation may be computed together with its siblings, by the method of its name."""

    def result(self, name: str, ref: Ref, value: Any, /) -> Any:
        """Return `y` or a state as it leaves the step."""


@dataclass(frozen=True)
class Recording:
    """The recorded step of a graph, of which any number of streams bind their own.

    Attributes:
        plan: its calls.
        x, y, states: an array of zeros of each, as it is outside a step.
        ignores: whether the definition ignores floating-point errors of some calls; then a step ignores all.
    """

    plan: Plan
    x: Array
    y: Array
    states: Mapping[str, Array]
    ignores: bool


def record(trace: Trace, definition: Definition, x: Array, y: Array, states: Mapping[str, Array]) -> Recording:
    """Record one step.

    Args:
        trace: its operations.
        definition: computes each, on arrays of numpy and on recorded ones alike.
        x, y, states: an array of the shape and dtype of each; integers are computed as int64.
    """
    x, y, states = np.zeros_like(x), np.zeros_like(y), {name: np.zeros_like(state) for name, state in states.items()}
    tape, after = NumpyRecorder(), {name: np.zeros_like(state) for name, state in states.items()}
    with np.errstate(all="call", call=lambda *_: None):
        start = {INPUT: Recorded(x, tape)}
        start |= {state.before.name: Recorded(states[state.name], tape) for state in trace.states}
        if x.dtype.kind == "i":
            start[INPUT] = start[INPUT].astype(np.int64)
        values = _replayed(trace, definition, start)
        for state in trace.states:
            result = definition.result(state.name, state.after, values[state.after.name])
            tape.copy(after[state.name], result.array)
        tape.copy(y, definition.result(OUTPUT, trace.y, values[trace.y.name]).array)
    plan = planned(tape.calls, (x, y, *states.values(), *after.values()))
    return Recording(plan, x, y, states, tape.ignores)


def _replayed(trace: Trace, definition: Definition, values: dict[str, Recorded]) -> dict[str, Recorded]:
    """Apply the operations, siblings together, and return all values by name."""
    for siblings, parts in scheduled(trace.operations, definition.joins):
        op = siblings[0]
        if len(siblings) == 1:
            result = definition.apply(op, [values[arg.name] if isinstance(arg, Ref) else arg for arg in op.args])
            values |= zip((ref.name for ref in op.outputs), result if op.name == "split" else (result,), strict=True)
        else:
            values |= _joined(definition, siblings, parts, values)
    return values


def _joined(
    definition: Any, siblings: tuple[Op, ...], parts: Sequence[Part], values: Mapping[str, Recorded]
) -> dict[str, Recorded]:
    """Return the values of siblings, and the whole that they are parts of."""
    widths = [op.outputs[0].width for op in siblings]
    args = [values[whole][..., start : start + sum(widths)] for whole, start in parts]
    runs = kinds(siblings)
    mixed = siblings[0].name in SQUASH and len(runs) > 1
    whole = _squashed(definition.tanh, args[0], runs) if mixed else getattr(definition, siblings[0].name)(*args)
    results: Any = np.split(whole, np.cumsum(widths)[:-1], axis=-1)
    named = {op.outputs[0].name: each for op, each in zip(siblings, results, strict=True)}
    return {**named, together(siblings): whole}


def _squashed(tanh: Callable[[Any], Any], x: Recorded, runs: Sequence[tuple[str, int]]) -> Any:
    """Compute sigmoid on some parts of x and tanh on others: (1 + tanh(x / 2)) / 2 with factors for each element.

    A product with 1 and a sum with -0 change no number, so the parts have the bits that each operation gives them.
    """
    names, widths = zip(*runs, strict=True)
    factors = np.repeat(np.array([0.5 if name == "sigmoid" else 1.0 for name in names], x.dtype), widths)
    plus = np.repeat(np.array([0.5 if name == "sigmoid" else -0.0 for name in names], x.dtype), widths)
    return factors * tanh(factors * x) + plus


class BoundStep:
    """One carried state, and the calls of a step on its arrays. An interrupted step leaves the state as it was.

    Attributes:
        x, y: the frame and the answer.
        step: computes `y` from `x`, and carries the state.
        prime: computes `y` as `step` does, and leaves the state.
    """

    def __init__(self, recording: Recording) -> None:
        self.x, self.y = np.zeros_like(recording.x), np.zeros_like(recording.y)
        self._states = tuple(tuple(map(np.zeros_like, recording.states.values())) for _ in range(2))
        arena, (one, other) = zeros(recording.plan.arena), self._states
        outside = ((self.x, self.y, *one, *other), (self.x, self.y, *other, *one))
        self._calls = tuple(tuple(recording.plan.bind(each, arena)) for each in outside)
        self._turn = 0
        self.prime: Callable[[], None] = self._in_silence if recording.ignores else self._compute
        self.step: Callable[[], None] = self._step_in_silence if recording.ignores else self._step

    @property
    def states(self) -> tuple[Array, ...]:
        """The carried states: views, in the order of the recording."""
        return self._states[self._turn]

    def set_states(self, states: Sequence[Array]) -> None:
        """Replace the carried states."""
        turn = 1 - self._turn
        for mine, state in zip(self._states[turn], states, strict=True):
            mine[...] = state
        self._turn = turn

    def _compute(self) -> None:
        for call in self._calls[self._turn]:
            call()

    def _in_silence(self) -> None:
        with np.errstate(all="ignore"):
            self._compute()

    def _step(self) -> None:
        turn = self._turn
        for call in self._calls[turn]:
            call()
        self._turn = 1 - turn  # the one store that carries the state

    def _step_in_silence(self) -> None:
        with np.errstate(all="ignore"):
            self._step()
