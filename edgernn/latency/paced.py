"""Measuring as frames come: on a schedule that no late step moves, so that it delays the next and both count."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from edgernn.latency.arrivals import Times
from edgernn.latency.steps import Clock, collector_paused, warm_up
from edgernn.process import interrupt

AHEAD_NS = 200_000  # before a frame the sleep ends, and the rest is spun; where frames come faster nothing sleeps
LEAD_NS = 1_000_000  # from the call to the first frame

Step = Callable[[Any], object]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Run:
    """Each step of a run, in nanoseconds from its first frame on.

    Attributes:
        due: int64 (steps,), when its frame came.
        start, end: int64 (steps,), when the step began and was done.
        implied: whether the steps ran back to back, so that `start` and `end` say only what would have been.
    """

    due: Times
    start: Times
    end: Times
    implied: bool

    @property
    def service(self) -> Times:
        """What each step took by itself."""
        return self.end - self.start

    @property
    def response(self) -> Times:
        """From each frame to its answer."""
        return self.end - self.due

    @property
    def jitter(self) -> Times:
        """How much later than it could each step began: after its frame, and after the step before."""
        free: Times = np.maximum(self.due, np.concatenate([self.due[:1], self.end[:-1]]))
        return self.start - free


def paced(
    step: Step,
    frames: Sequence[Any],
    due: Times,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
) -> Run:
    """Give each frame to the step when it is due, or as soon after as the step before is done.

    Args:
        step: what to time.
        frames: what it is given, again from the first when they end.
        due: as edgernn.latency.arrivals makes it.
        clock: nanoseconds, monotonic; another one in tests.
        sleep: for so many seconds; another one in tests.
    """
    start, end = np.empty(len(due), np.int64), np.empty(len(due), np.int64)
    with collector_paused():
        began = clock() + LEAD_NS
        for i, (at, frame) in enumerate(zip((due + began).tolist(), cycle(frames), strict=False)):
            interrupt.check()
            left = at - clock() - AHEAD_NS
            if left > 0:
                sleep(left / 1e9)
            while (now := clock()) < at:
                pass
            step(frame)
            end[i] = clock()
            start[i] = now
    return Run(due, start - began, end - began, implied=False)


def unpaced(step: Step, frames: Sequence[Any], due: Times, clock: Clock = time.perf_counter_ns) -> Run:
    """Time each step back to back, and imply when it would have answered, had its frame come when it was due.

    A step that waits finds cold caches and a slow clock, so this flatters: it never stands for a paced run.
    """
    with collector_paused():
        service = timed(step, cycle(frames), len(due), clock)
    begins = due + implied_wait(service, due)
    return Run(due, begins, begins + service, implied=True)


def timed(step: Step, frames: Iterator[Any], steps: int, clock: Clock = time.perf_counter_ns) -> Times:
    """What each step takes, back to back; each is given a frame, and no further frame is taken."""
    took = np.empty(steps, np.int64)
    for i, frame in zip(range(steps), frames, strict=False):
        interrupt.check()
        start = clock()
        step(frame)
        took[i] = clock() - start
    return took


def implied_wait(service: Times, due: Times) -> Times:
    """How long each frame waits for the steps before it: W' = max(0, W + S - T) (Lindley, 1952).

    Args:
        service: (steps,) what each step takes.
        due: (steps,) when its frame comes.
    """
    piled = np.concatenate([[0], np.cumsum(service[:-1] - np.diff(due))])
    waits: Times = piled - np.minimum.accumulate(piled)
    return waits


def warmed(step: Step, frames: Sequence[Any], clock: Clock = time.perf_counter_ns) -> tuple[int, bool]:
    """Warm up on frames, back to back: (how many steps, whether they settled), as edgernn.latency.warm_up."""
    each = cycle(frames)
    with collector_paused():
        return warm_up(lambda: step(next(each)), clock)
