"""Timing steps back to back, after a warm-up and with the garbage collector disabled."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgernn.process import interrupt

BLOCK = 100  # steps of the warm-up that share one median
SETTLED = 0.02  # relative difference of two medians
GIVE_UP_S = 30.0

ROUNDS = 11  # of interleaved timing
STEPS_PER_ROUND = 300  # of each contender

Clock = Callable[[], int]


@dataclass(frozen=True)
class Timing:
    """Service times of steps that run back to back, in microseconds."""

    steps: int
    p50_us: float
    p99_us: float
    worst_us: float
    warm_up_steps: int
    settled: bool  # False if the warm-up was given up


@interrupt.deferred()
def back_to_back(step: Callable[[], object], steps: int = 2000, clock: Clock = time.perf_counter_ns) -> Timing:
    """Warm up, then time each step.

    Args:
        step: what to time.
        steps: how many, at least 1.
        clock: returns nanoseconds; replaced in tests.
    """
    with collector_paused():
        warm, settled = warm_up(step, clock)
        took = np.sort(_time(step, steps, clock)) / 1000
    return Timing(steps, _percentile(took, 50), _percentile(took, 99), float(took[-1]), warm, settled)


@interrupt.deferred()
def interleaved(
    steps: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    count: int = STEPS_PER_ROUND,
    clock: Clock = time.perf_counter_ns,
) -> list[dict[str, float]]:
    """Time several steps side by side: each round times all of them, so drift of the machine affects all equally.

    Args:
        steps: what to time, by name.
        rounds: at least 2; the first is a warm-up and is not counted.
        count: calls of each step per round, after BLOCK calls that load its data into the caches.
        clock: returns nanoseconds; replaced in tests.

    Returns:
        For each counted round, the median time of each step in microseconds.
    """
    with collector_paused():
        return [{name: _median_us(step, count, clock) for name, step in steps.items()} for _ in range(rounds)][1:]


def warm_up(step: Callable[[], object], clock: Clock) -> tuple[int, bool]:
    """Run steps until two consecutive medians agree, for at most 30 s. Returns the number of steps, and if they did."""
    began, steps, before = clock(), BLOCK, float(np.median(_time(step, BLOCK, clock)))
    while clock() - began < GIVE_UP_S * 1e9:
        median = float(np.median(_time(step, BLOCK, clock)))
        steps += BLOCK
        if abs(median - before) <= SETTLED * before:
            return steps, True
        before = median
    return steps, False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Disable the garbage collector while steps are timed; what a program froze (`gc.freeze`) stays frozen."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def percentiles(took: NDArray[np.int64]) -> dict[str, float]:
    """The median, the 99th percentile and the longest of times in nanoseconds, in microseconds."""
    ordered = np.sort(took) / 1000
    return {
        "p50_us": _percentile(ordered, 50),
        "p99_us": _percentile(ordered, 99),
        "worst_us": float(ordered[-1]),
    }


def _median_us(step: Callable[[], object], count: int, clock: Clock) -> float:
    _time(step, BLOCK, clock)
    return _percentile(np.sort(_time(step, count, clock)) / 1000, 50)


def _time(step: Callable[[], object], steps: int, clock: Clock) -> NDArray[np.int64]:
    took = np.empty(steps, np.int64)
    for i in range(steps):
        interrupt.check()
        start = clock()
        step()
        took[i] = clock() - start
    return took


def _percentile(ordered: NDArray[np.float64], percent: int) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank)."""
    return float(ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1])
