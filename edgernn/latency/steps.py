"""Measuring: how long a step takes, back to back, after a warm-up and with the garbage collector at rest."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgernn.process import interrupt

BLOCK = 100  # steps whose median is one look at the warm-up
SETTLED = 0.02  # of the median, between two looks
GIVE_UP_S = 30.0

ROUNDS = 11  # in which several take turns
TURN = 300  # steps of each in a round

Clock = Callable[[], int]


@dataclass(frozen=True)
class Timing:
    """Service times of steps that follow one another as fast as they can, in microseconds."""

    steps: int
    p50_us: float
    p99_us: float
    worst_us: float
    warm_up_steps: int
    settled: bool  # False when the warm-up was given up


@interrupt.deferred()
def back_to_back(step: Callable[[], object], steps: int = 2000, clock: Clock = time.perf_counter_ns) -> Timing:
    """Warm up, then time each step.

    Args:
        step: what to time.
        steps: how many, at least 1.
        clock: nanoseconds; another one in tests.
    """
    with collector_paused():
        warm, settled = warm_up(step, clock)
        took = np.sort(_time(step, steps, clock)) / 1000
    return Timing(steps, _percentile(took, 50), _percentile(took, 99), float(took[-1]), warm, settled)


@interrupt.deferred()
def in_turn(
    steps: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    count: int = TURN,
    clock: Clock = time.perf_counter_ns,
) -> list[dict[str, float]]:
    """Time several steps side by side, so that a machine that drifts decides nothing: all of them in every round.

    Args:
        steps: what to time, by name.
        rounds: at least 2; the first is a warm-up and does not count.
        count: how often each is called in a round, after BLOCK calls that bring its data into the caches.
        clock: nanoseconds; another one in tests.

    Returns:
        For each round that counts the median time of each, in microseconds.
    """
    with collector_paused():
        return [{name: _turn(step, count, clock) for name, step in steps.items()} for _ in range(rounds)][1:]


def warm_up(step: Callable[[], object], clock: Clock) -> tuple[int, bool]:
    """Steps until two medians in a row agree: (how many, whether they did); it gives up after 30 s."""
    began, done, before = clock(), BLOCK, float(np.median(_time(step, BLOCK, clock)))
    while clock() - began < GIVE_UP_S * 1e9:
        now = float(np.median(_time(step, BLOCK, clock)))
        done += BLOCK
        if abs(now - before) <= SETTLED * before:
            return done, True
        before = now
    return done, False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Around what is timed: no garbage is looked for."""
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def _turn(step: Callable[[], object], count: int, clock: Clock) -> float:
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
