"""A latency monitor for production: a histogram of step times in constant memory, and the misses of a budget."""

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
"""The width of a bin, relative to its times: a percentile is at most 3.1 % too high, and never too low."""

LONGEST_BITS = 40  # of a time in nanoseconds: 18 minutes; longer times go into the last bin
BINS = (LONGEST_BITS - BITS + 2) << BITS

Clock = Callable[[], int]
Step = Callable[[], Any]


@dataclass(frozen=True)
class DeadlineMiss:
    """A step that exceeded the deadline: its time, and the number of consecutive misses including it."""

    took_us: float
    in_a_row: int


Hook = Callable[[DeadlineMiss], object]


def bin_of(took: int) -> int:
    """The bin of a time in nanoseconds: one per nanosecond below 64 ns, then 32 of equal width per power of two."""
    shift = (took | 63).bit_length() - BITS - 1
    return min((shift << BITS) + (took >> shift), BINS - 1)


def bin_upper_ns(k: int) -> int:
    """The longest time of a bin, in nanoseconds."""
    shift = max((k >> BITS) - 1, 0)
    return ((k - (shift << BITS) + 1) << shift) - 1


@dataclass(frozen=True)
class Snapshot:
    """The counts of a monitor at one moment.

    Attributes:
        budget: the budget. A monitor does not know when frames arrive, so it compares service times with the deadline.
        counts: bin -> number of steps; see `bin_upper_ns`.
        misses: number of steps that exceeded the deadline.
        longest_run: largest number of consecutive misses.
        worst_us: the longest time, exactly.
    """

    budget: Budget
    counts: Mapping[int, int]
    misses: int
    longest_run: int
    worst_us: float

    @property
    def steps(self) -> int:
        """The number of steps."""
        return sum(self.counts.values())

    def percentile_us(self, percent: float) -> float:
        """The percentile of the step times by nearest rank, rounded up to the end of its bin.

        Raises:
            UsageError: no step was counted, or the percentage is not in (0, 100].
        """
        if not 0 < percent <= 100:
            raise UsageError(f"the percentile is {percent:g}; expected more than 0 and at most 100")
        left = ceil(percent / 100 * self.steps)
        for k, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return min(bin_upper_ns(k) / 1000, self.worst_us)
        raise UsageError("no step was counted yet, so there is no percentile")

    def __or__(self, other: "Snapshot") -> "Snapshot":
        """Merge two snapshots, such as those of two streams, or from before and after a restart.

        Raises:
            UsageError: their budgets differ.
        """
        if self.budget != other.budget:
            raise UsageError(f"snapshots of {self.budget} and of {other.budget} cannot be merged")
        keys = sorted({*self.counts, *other.counts})
        counts = {k: self.counts.get(k, 0) + other.counts.get(k, 0) for k in keys}
        worst, longest = max(self.worst_us, other.worst_us), max(self.longest_run, other.longest_run)
        return Snapshot(self.budget, counts, self.misses + other.misses, longest, worst)


class Monitor:
    """Counts every step of a stream: `program.stream(monitor=Monitor(budget))`, then `monitor.snapshot()` at any time.

    Args:
        budget: a step that exceeds its deadline is a miss.
        hook: called with a DeadlineMiss. An exception from it propagates out of `step`, after the state has advanced.
        burst: the hook is called at every `burst`-th consecutive miss; 1 calls it at every miss.
        clock: returns nanoseconds; replaced in tests.

    Raises:
        UsageError: `budget` is not a Budget, or `burst` is not a positive integer.
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
        self._misses = self._longest_run = self._worst = 0
        self._threads_in_hook: set[int] = set()

    def snapshot(self) -> Snapshot:
        """The counts until now; may be called from another thread."""
        counts: dict[int, int] = {}
        for shift, window in enumerate(self._windows):
            for k, count in enumerate(window):
                if count:
                    counts[bin_of(k << shift)] = counts.get(bin_of(k << shift), 0) + count
        return Snapshot(self.budget, counts, self._misses, self._longest_run, self._worst / 1000)

    def wrap(self, step: Step) -> Step:
        """Return the step with timing: it counts each call, except those in which the step refuses its frame.

        Most steps take about as long as the previous one. Times from `low` to `high` need no further work: they belong
        to the same window, are not misses, do not end a row of misses, and are not the worst time.
        """
        count = self._count
        row, low, high, shift, window = 0, 1, 0, 0, self._windows[0]

        def timed_step(clock: Clock = self._clock, step: Step = step) -> Any:  # arguments are faster than closures
            nonlocal row, low, high, shift, window
            start = clock()
            if step():
                return True
            took = clock() - start
            if low <= took <= high:
                window[took >> shift] += 1
                return False
            row, low, high, shift, window = count(took, row)
            return False

        return timed_step

    def _count(self, took: int, row: int) -> tuple[int, int, int, int, list[int]]:
        """Count a time. Returns the misses in a row, the range of times that need no such call, and their window.

        The window is given by its shift and its counts. It is two powers of two wide and begins at least half a power
        below the time, so that times around a power of two stay in one window.
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
        self._longest_run = max(self._longest_run, row + 1)
        if self._hook is not None and (row + 1) % self._burst == 0:
            self._call(self._hook, DeadlineMiss(took / 1000, row + 1))
        return row + 1, 1, 0, shift, window

    @property
    def in_hook(self) -> bool:
        """Whether this thread is running the hook."""
        return get_ident() in self._threads_in_hook

    def _call(self, hook: Hook, miss: DeadlineMiss) -> None:
        self._threads_in_hook.add(get_ident())
        try:
            hook(miss)
        finally:
            self._threads_in_hook.discard(get_ident())
