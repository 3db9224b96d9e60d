"""A stream that takes a cheaper program while the machine is too busy for a better one, and comes back."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from edgernn.budget.verdict import Budget
from edgernn.errors import UsageError
from edgernn.runtime.guard import OnBadInput
from edgernn.runtime.parts import Answer
from edgernn.runtime.program import Program, open_precisions
from edgernn.runtime.stream import Stream

Clock = Callable[[], int]

BURST = 3
LONGEST_PATIENCE = 64  # times the shortest wait


class Levels:
    """Which of several programs to step, from the misses of a budget: a token bucket and a growing patience.

    The bucket holds `burst` misses. Each step adds the share of a miss that the budget allows, each miss takes one.
    When less than one is left, the next cheaper program is taken. After as many steps as earn a whole bucket, the
    better one is tried again; if that empties the bucket before it was earned anew, the next wait is doubled.

    Args:
        count: number of programs, the best first.
        budget: its percentile says which share of steps may miss.
        burst: misses in quick succession that are borne; at least 1.
    """

    def __init__(self, count: int, budget: Budget, burst: int = BURST) -> None:
        self._last, self._burst, self._earned = count - 1, burst, 1 - budget.p
        self._shortest = round(burst / self._earned)
        self._patience = [1] * count  # of each level, in shortest waits, once it was left
        self.level = 0
        self._enter(0)

    def _enter(self, level: int) -> None:
        self.level = level
        self._tokens, self._steps = float(self._burst), 0

    def count(self, *, missed: bool) -> int:
        """Count a step of the present level. Returns the level of the next step."""
        level, self._steps = self.level, self._steps + 1
        self._tokens = min(self._tokens + self._earned, self._burst) - missed
        if self._steps == self._shortest:
            self._patience[level] = 1  # it held for long enough
        if self._tokens < 1 and level < self._last:
            if self._steps < self._shortest:
                self._patience[level] = min(2 * self._patience[level], LONGEST_PATIENCE)
            self._enter(level + 1)
        elif level and self._tokens >= 1 and self._steps >= self._shortest * self._patience[level - 1]:
            self._enter(level - 1)
        return self.level


class AdaptiveStream:
    """One carried state and several programs of one contract, such as the precisions of a model.

    Steps are of the first program while they keep the budget, and of a cheaper one while they do not. The state is
    handed over where the programs have the same states, and begins anew where they do not: see Stream.swap.
    `stream` is the stream that is stepped, and `switches` how often its program was changed.

    Args:
        programs: the best first, the cheapest last; at least two.
        budget: a step that takes longer than its deadline is a miss.
        burst: misses in quick succession that are borne.
        on_bad_input: as of Program.stream.
        clock: returns nanoseconds; replaced in tests.

    Raises:
        UsageError: there are fewer than two programs, no Budget, or `burst` is not a positive integer.
        StateError: the programs differ in their inputs or outputs.
    """

    stream: Stream
    switches: int

    def __init__(
        self,
        programs: Sequence[Program],
        budget: Budget,
        *,
        burst: int = BURST,
        on_bad_input: OnBadInput = "raise",
        clock: Clock = time.perf_counter_ns,
    ) -> None:
        if len(programs) < 2:
            raise UsageError(f"{len(programs)} program arrived; expected at least two, the cheapest last")
        if not isinstance(budget, Budget):
            raise UsageError(f"a {type(budget).__name__} arrived; expected a Budget")
        if type(burst) is not int or burst < 1:
            raise UsageError(f"burst is {burst!r}; expected a whole number of at least 1")
        self._programs, self._clock = tuple(programs), clock
        self._levels, self._deadline = Levels(len(programs), budget, burst), int(budget.deadline_us * 1000)
        self.stream = self._programs[-1].stream(on_bad_input=on_bad_input)
        for program in reversed(self._programs[:-1]):  # a program of another contract is refused now, not under load
            self.stream.swap(program)
        self.stream.reset()
        self.switches = 0

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        budget: Budget,
        *,
        burst: int = BURST,
        on_bad_input: OnBadInput = "raise",
        clock: Clock = time.perf_counter_ns,
        key: str | os.PathLike[str] | None = None,
        min_version: str | None = None,
    ) -> Self:
        """A stream over the precisions of one package, in their order: the model's own is the best.

        Args:
            path: of a `.edge` package with several precisions; it is read once.
            budget: as of the class.
            burst: as of the class.
            on_bad_input: as of the class.
            clock: as of the class.
            key: that must have signed the package, as edgernn.open takes it.
            min_version: as of edgernn.open.

        Raises:
            UsageError: the file is no package, or has one precision alone; or as the class.
            EdgernnError: as edgernn.open.
        """
        programs = open_precisions(path, key=key, min_version=min_version)
        if len(programs) < 2:
            raise UsageError(
                f"'{programs[0].name}' has the precision {programs[0].manifest.precision} alone; export it with a "
                "cheaper one too: `edgernn export MODEL OUT.edge --also dynamic_wi8_afp32`"
            )
        return cls(programs, budget, burst=burst, on_bad_input=on_bad_input, clock=clock)

    @property
    def program(self) -> Program:
        """The program of the next step."""
        return self._programs[self._levels.level]

    def step(self, frame: Any, out: Any = None) -> Answer:
        """Step as Stream.step does, and choose the program of the next step.

        Raises:
            FrameError, StateError: as Stream.step; the step is not counted.
        """
        level, start = self._levels.level, self._clock()
        answer = self.stream.step(frame, out)
        taken = self._levels.count(missed=self._clock() - start > self._deadline)
        if taken != level:
            self.stream.swap(self._programs[taken])
            self.switches += 1
        return answer

    def prime(self) -> None:
        """As Stream.prime."""
        self.stream.prime()

    def reset(self) -> None:
        """Return to the initial state; the program stays."""
        self.stream.reset()
