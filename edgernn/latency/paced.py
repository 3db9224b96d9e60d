"""Timing steps on a fixed schedule of frames: a late step delays the next one, and both responses count."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from edgernn.latency.arrivals import Times, regular
from edgernn.latency.steps import Clock, collector_paused, warm_up
from edgernn.process import interrupt
from edgernn.runtime.pace import Timer

LEAD_NS = 2_000_000  # from the call to the first frame

Step = Callable[[Any], object]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class StepTimes:
    """The times of each step of a run, in nanoseconds from the first frame.

    Attributes:
        due: int64 (steps,), arrival of the frame.
        start, end: int64 (steps,), start and end of the step.
        implied: whether the steps ran back to back, and `start` and `end` are computed for the schedule.
    """

    due: Times
    start: Times
    end: Times
    implied: bool

    @property
    def service(self) -> Times:
        """Duration of each step."""
        return self.end - self.start

    @property
    def response(self) -> Times:
        """Time from each frame to its output."""
        return self.end - self.due

    @property
    def jitter(self) -> Times:
        """Release jitter: delay of each start after both its frame and the end of the previous step."""
        free: Times = np.maximum(self.due, np.concatenate([self.due[:1], self.end[:-1]]))
        return self.start - free


def run_paced(
    step: Step,
    frames: Sequence[Any],
    due: Times,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
    prime: Callable[[], object] | None = None,
) -> StepTimes:
    """Run the step on each frame when the frame is due, or as soon as the previous step has ended.

    Args:
        step: what to time.
        frames: inputs of the step, repeated from the first.
        due: arrival times, as in edgernn.latency.arrivals.
        clock: monotonic nanoseconds; replaced in tests.
        sleep: waits for seconds; replaced in tests.
        prime: called before each frame, as edgernn.pace does; None for steps that find cold caches.
    """
    return _run(step, frames, due, clock, (Timer(prime, clock, sleep),))


def run_alternately(
    step: Step,
    prime: Callable[[], object],
    frames: Sequence[Any],
    period_us: float,
    steps: int,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
) -> tuple[Times, Times]:
    """Run the step on a regular schedule, and prime it before every other frame: drift of the machine affects both.

    Args:
        step, prime, frames, clock, sleep: as in run_paced.
        period_us: time from one frame to the next.
        steps: how many of each kind.

    Returns:
        The responses of the steps that were not primed, and of those that were, in nanoseconds.
    """
    timers = Timer(None, clock, sleep), Timer(prime, clock, sleep)
    response = _run(step, frames, regular(2 * steps, period_us), clock, timers).response
    return response[::2], response[1::2]


def _run(step: Step, frames: Sequence[Any], due: Times, clock: Clock, timers: Sequence[Timer]) -> StepTimes:
    """Run the step on each frame when it is due; the timers take turns."""
    start, end = np.empty(len(due), np.int64), np.empty(len(due), np.int64)
    with collector_paused():
        began = clock() + LEAD_NS
        each = zip((due + began).tolist(), cycle(frames), cycle(timers), strict=False)
        for i, (at, frame, timer) in enumerate(each):
            interrupt.check()
            now = timer.until(at)
            step(frame)
            end[i] = clock()
            start[i] = now
    return StepTimes(due, start - began, end - began, implied=False)


def run_back_to_back(step: Step, frames: Sequence[Any], due: Times, clock: Clock = time.perf_counter_ns) -> StepTimes:
    """Run the step without waiting, and compute when it would have finished on the schedule `due`.

    The result is optimistic and does not replace a paced run: a step that waits finds cold caches and a slower clock.
    """
    with collector_paused():
        service = time_steps(step, cycle(frames), len(due), clock)
    starts = due + implied_wait(service, due)
    return StepTimes(due, starts, starts + service, implied=True)


def time_steps(step: Step, frames: Iterator[Any], steps: int, clock: Clock = time.perf_counter_ns) -> Times:
    """Time steps back to back. Takes exactly one frame from the iterator per step."""
    took = np.empty(steps, np.int64)
    for i, frame in zip(range(steps), frames, strict=False):
        interrupt.check()
        start = clock()
        step(frame)
        took[i] = clock() - start
    return took


def implied_wait(service: Times, due: Times) -> Times:
    """The time that each frame waits for the previous steps: W' = max(0, W + S - T) (Lindley, 1952).

    Args:
        service: (steps,), durations of the steps.
        due: (steps,), arrival times.
    """
    backlog = np.concatenate([[0], np.cumsum(service[:-1] - np.diff(due))])
    waits: Times = backlog - np.minimum.accumulate(backlog)
    return waits


def warm_up_on(step: Step, frames: Sequence[Any], clock: Clock = time.perf_counter_ns) -> tuple[int, bool]:
    """Warm up on frames, back to back, as edgernn.latency.steps.warm_up."""
    each = cycle(frames)
    with collector_paused():
        return warm_up(lambda: step(next(each)), clock)
