"""The course of a long run: an artifact and its definition in float64 on the same frames, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.interpreters.bound.exact import exact_step
from edgernn.model.graph import OUTPUT, Graph
from edgernn.process import interrupt
from edgernn.process.resources import descriptors, resident_kib
from edgernn.runtime.health import Health
from edgernn.runtime.parts import flat_answer
from edgernn.runtime.program import Program
from edgernn.runtime.state_guard import StateGuard

BLOCK = 1000  # steps that are kept before they are summed up
LOOK = 100  # steps from one look of the state guard to the next


@dataclass(frozen=True)
class Statistics:
    """One value over some steps.

    Attributes:
        rms, largest: of the difference between the artifact and the reference; infinite where one of them alone is not
            a number, or infinite.
        low, high: the smallest and the largest number of the artifact.
        reference_low, reference_high: the same of the reference.
    """

    rms: float
    largest: float
    low: float
    high: float
    reference_low: float
    reference_high: float


@dataclass(frozen=True)
class Part:
    """Some consecutive steps.

    Attributes:
        steps: how many.
        values: the output and each state by name.
        resident_kib, descriptors: what the process held after them.
        health: what the state guard of the artifact counted.
    """

    steps: int
    values: Mapping[str, Statistics]
    resident_kib: int
    descriptors: int
    health: Health = field(default_factory=Health)


def joined(parts: Sequence[Part]) -> Part:
    """Return consecutive parts as one."""
    steps = sum(part.steps for part in parts)
    values = {name: _joined([part.values[name] for part in parts], parts, steps) for name in parts[0].values}
    health = reduce(or_, (part.health for part in parts))
    return Part(steps, values, parts[-1].resident_kib, parts[-1].descriptors, health)


def _joined(each: Sequence[Statistics], parts: Sequence[Part], steps: int) -> Statistics:
    squares = sum(part.steps / steps * one.rms**2 for part, one in zip(parts, each, strict=True))
    return Statistics(
        float(np.sqrt(squares)),
        max(one.largest for one in each),
        float(np.min([one.low for one in each])),
        float(np.max([one.high for one in each])),
        float(np.min([one.reference_low for one in each])),
        float(np.max([one.reference_high for one in each])),
    )


def statistics(actual: Array, expected: Array) -> Statistics:
    """Return what two arrays (steps, width) say of a value; equal infinities do not differ, and neither do two NaN."""
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(actual - expected.astype(np.float64))
        error[same] = 0
        error[np.isnan(error)] = np.inf
        rms = float(np.sqrt(np.mean(np.square(error))))
    ends = (float(end) for array in (actual, expected) for end in (array.min(), array.max()))
    return Statistics(rms, float(error.max()), *ends)


def _since(before: Health, now: Health) -> Health:
    return Health(*(getattr(now, each.name) - getattr(before, each.name) for each in fields(Health)))


class Pair:
    """An artifact and its reference, each with its own carried state, and room for the values of a block.

    Args:
        program: the artifact.
        graph: that it was made from.
        frames: what both step on, without end.
    """

    def __init__(self, program: Program, graph: Graph, frames: Iterator[Any]) -> None:
        self._stream = program.stream(state_guard=StateGuard(LOOK))
        self._exact, self._frames = exact_step(graph), frames
        widths = {OUTPUT: graph.outputs, **graph.states}
        self._actual = {name: np.zeros((BLOCK, width), np.float32) for name, width in widths.items()}
        self._expected = {name: np.zeros((BLOCK, width)) for name, width in widths.items()}

    def run(self, steps: int) -> Part:
        """Step both, and return what they did.

        Raises:
            FrameError: the artifact refuses a frame.
            Interrupted: a signal has arrived.
        """
        before = self._stream.health
        part = joined([self._block(min(BLOCK, steps - start)) for start in range(0, steps, BLOCK)])
        return replace(part, health=_since(before, self._stream.health))

    def _block(self, steps: int) -> Part:
        stream, exact = self._stream, self._exact
        answers, exact_answers = self._actual[OUTPUT], self._expected[OUTPUT]
        states = [(name, self._actual[name], self._expected[name]) for name in self._actual if name != OUTPUT]
        with np.errstate(all="ignore"):  # what is not finite is in the statistics
            for i in range(steps):
                interrupt.check()
                frame = next(self._frames)
                answers[i] = flat_answer(stream.step(frame))
                exact.x[...] = frame
                exact.step()
                exact_answers[i] = exact.y
                carried = stream.state
                for (name, rows, exact_rows), state in zip(states, exact.states, strict=True):
                    rows[i], exact_rows[i] = carried[name], state
        values = {name: statistics(rows[:steps], self._expected[name][:steps]) for name, rows in self._actual.items()}
        return Part(steps, values, resident_kib(), descriptors())
