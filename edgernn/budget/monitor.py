"""A watchdog in production: the time of every step in a histogram that never grows, and the misses of a budget."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from threading import get_ident
from typing import Any

from edgernn.budget.verdict import Budget
from edgernn.errors import UsageError

BITS = 5
RESOLUTION = 2.0**-BITS
"""A cell is at most this part of the times in it wide: a percentile is too high by 3.1 % at most, and never too low."""

LONGEST_BITS = 40  # of a time in nanoseconds: 18 minutes; what takes longer is counted in the last cell
CELLS = (LONGEST_BITS - BITS + 2) << BITS

Clock = Callable[[], int]
Step = Callable[[], Any]


@dataclass(frozen=True)
class Miss:
    """A step that took longer than the deadline: its time, and how many in a row that makes."""

    took_us: float
    in_a_row: int


Hook = Callable[[Miss], object]


def cell(took: int) -> int:
    """Where a time is counted: under 64 ns each has a cell, and beyond every power of two has 32 of one width."""
    shift = (took | 63).bit_length() - BITS - 1
    return min((shift << BITS) + (took >> shift), CELLS - 1)


def highest(k: int) -> int:
    """The longest time, in nanoseconds, that is counted in a cell."""
    shift = max((k >> BITS) - 1, 0)
    return ((k - (shift << BITS) + 1) << shift) - 1


@dataclass(frozen=True)
class Snapshot:
    """What a monitor has seen, at one moment.

    Attributes:
        budget: what it watches for; service times are held against the deadline, for it does not know when frames came.
        counts: cell -> steps whose time lies in it; see `highest`.
        misses: steps that took longer than the deadline.
        longest: misses in a row, at most.
        worst_us: the longest of all times, exactly.
    """

    budget: Budget
    counts: Mapping[int, int]
    misses: int
    longest: int
    worst_us: float

    @property
    def steps(self) -> int:
        """How many steps were counted."""
        return sum(self.counts.values())

    def percentile_us(self, percent: float) -> float:
        """The time that this percentage of all steps does not exceed (nearest rank), as the upper end of its cell.

        Raises:
            UsageError: no step was counted, or the percentage is not in (0, 100].
        """
        if not 0 < percent <= 100:
            raise UsageError(f"the percentile is {percent:g}; expected more than 0 and at most 100")
        left = ceil(percent / 100 * self.steps)
        for k, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return min(highest(k) / 1000, self.worst_us)
        raise UsageError("no step was counted yet, so there is no percentile")

    def __or__(self, other: "Snapshot") -> "Snapshot":
        """Both together, as of two streams, or of one before and after a restart.

        Raises:
            UsageError: they count for different budgets.
        """
        if self.budget != other.budget:
            raise UsageError(f"snapshots of {self.budget} and of {other.budget} cannot be merged")
        keys = sorted({*self.counts, *other.counts})
        counts = {k: self.counts.get(k, 0) + other.counts.get(k, 0) for k in keys}
        worst, longest = max(self.worst_us, other.worst_us), max(self.longest, other.longest)
        return Snapshot(self.budget, counts, self.misses + other.misses, longest, worst)


class Monitor:
    """Counts every step of a stream: `program.stream(monitor=Monitor(budget))`, then `monitor.snapshot()` at any time.

    Args:
        budget: a step that takes longer than its deadline is a miss.
        hook: is told of a miss; what it raises comes out of `step`, when the state has moved on already.
        burst: the hook is told of every so manieth miss in a row: 1 for every miss.
        clock: nanoseconds; another one in tests.

    Raises:
        UsageError: no budget, or no such burst.
    """

    def __init__(
        self, budget: Budget, hook: Hook | None = None, burst: int = 1, clock: Clock = time.perf_counter_ns
    ) -> None:
        if not isinstance(budget, Budget):
            raise UsageError(f"a {type(budget).__name__} arrived to monitor; expected a Budget")
        if type(burst) is not int or burst < 1:
            raise UsageError(f"burst is {burst!r}; expected a whole number of at least 1")
        self.budget = budget
        self._hook, self._burst, self._clock = hook, burst, clock
        self._windows = [[0] * (4 << BITS) for _ in range(LONGEST_BITS - BITS)]
        self._misses = self._longest = self._worst = 0
        self._telling: set[int] = set()

    def snapshot(self) -> Snapshot:
        """What was counted until now; may be called from another thread."""
        counts: dict[int, int] = {}
        for shift, window in enumerate(self._windows):
            for k, count in enumerate(window):
                if count:
                    counts[cell(k << shift)] = counts.get(cell(k << shift), 0) + count
        return Snapshot(self.budget, counts, self._misses, self._longest, self._worst / 1000)

    def watched(self, step: Step) -> Step:
        """The step, timed and counted unless it refuses its frame.

        Most steps take about as long as the one before. From `low` to `high` there is nothing to look at: a time there
        lies in the same window, is no miss, does not end a row of misses, and is not the worst.
        """
        look = self._look
        row, low, high, shift, window = 0, 1, 0, 0, self._windows[0]

        def watching(clock: Clock = self._clock, step: Step = step) -> Any:  # as arguments they are read faster
            nonlocal row, low, high, shift, window
            start = clock()
            if step():
                return True
            took = clock() - start
            if low <= took <= high:
                window[took >> shift] += 1
                return False
            row, low, high, shift, window = look(took, row)
            return False

        return watching

    def _look(self, took: int, row: int) -> tuple[int, int, int, int, list[int]]:
        """Count a time: (misses in a row, the least and the most that are counted like it, the window, what it has).

        A window is two powers of two wide and begins half a power below the time or more, so that times which vary
        around a power of two stay in one.
        """
        top = (took | 63).bit_length()
        shift = min(top - BITS - 1 - (not took >> (top - 2) & 1), LONGEST_BITS - BITS - 1)
        shift = max(shift, 0)
        window = self._windows[shift]
        window[min(took >> shift, len(window) - 1)] += 1
        self._worst = max(self._worst, took)
        limit = int(self.budget.deadline_us * 1000)
        if took <= limit:
            low = (1 << BITS << shift) if shift else 0
            return 0, low, min((4 << BITS << shift) - 1, limit, self._worst), shift, window
        self._misses += 1
        self._longest = max(self._longest, row + 1)
        if self._hook is not None and (row + 1) % self._burst == 0:
            self._tell(self._hook, Miss(took / 1000, row + 1))
        return row + 1, 1, 0, shift, window

    @property
    def telling(self) -> bool:
        """Whether this thread is in the hook now."""
        return get_ident() in self._telling

    def _tell(self, hook: Hook, miss: Miss) -> None:
        self._telling.add(get_ident())
        try:
            hook(miss)
        finally:
            self._telling.discard(get_ident())
