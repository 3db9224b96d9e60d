"""Pacing: steps that are primed while they wait for their frames, on a schedule or from a source that blocks."""

import time
from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from typing import Any

from edgernn.errors import UsageError
from edgernn.process import interrupt
from edgernn.runtime.parts import Answer
from edgernn.runtime.stream import Stream

AHEAD_NS = 200_000  # a sleep ends this long before its end is needed: the system wakes a thread late
FIRST_PRIME_NS = 500_000  # assumed for the first prime, which has not been timed
FORGET = 16  # times after which a longest one has lost most of its weight
LEAD_NS = 2_000_000  # from the call to the first frame of a schedule
WAITED_NS = 50_000  # an answer within this time did not have to be waited for
CATCH_UP = 16  # frames in which an estimate of arrivals follows a source that is slower than its period

Clock = Callable[[], int]
Sleep = Callable[[float], None]

_END = object()


class Timer:
    """Waits for one moment after another, and primes a step in the last part of each wait.

    The first prime of a wait finds cold caches and takes longest: the sleep ends early enough for twice the longest of
    the recent ones, however late the system wakes the thread. A prime is begun only if it is expected to end in time.

    Args:
        prime: loads a step into the caches; None for waiting alone.
        clock: monotonic nanoseconds; replaced in tests.
        sleep: waits for seconds; replaced in tests.
    """

    def __init__(
        self,
        prime: Callable[[], object] | None = None,
        clock: Clock = time.perf_counter_ns,
        sleep: Sleep = interrupt.sleep,
    ) -> None:
        self._prime, self._clock, self._sleep = prime, clock, sleep
        self._ahead_ns, self._cold_ns = AHEAD_NS, 0 if prime is None else FIRST_PRIME_NS

    def until(self, at: int) -> int:
        """Wait until the clock is at `at`, busy at the end. Returns the time, which is later if `at` has passed."""
        self.prime_before(at)
        clock = self._clock
        while (now := clock()) < at:
            pass
        return now

    def prime_before(self, at: int) -> None:
        """Sleep until shortly before `at`, and prime as often as there is time."""
        ends = at - self._ahead_ns - 2 * self._cold_ns
        left = ends - self._clock()
        if left > 0:
            self._sleep(left / 1e9)
        if self._prime is None:
            return
        now, expected = self._clock(), self._cold_ns
        if left > 0:
            self._ahead_ns = max(AHEAD_NS, _longest(self._ahead_ns, now - ends))
        first = True
        while now + expected < at:
            self._prime()
            end = self._clock()
            took, now = end - now, end
            if first:
                self._cold_ns = _longest(self._cold_ns, took)
            expected, first = 2 * took, False


def _longest(before: int, now: int) -> int:
    """The longest of some recent times: it decays slowly, and an outlier at most doubles it."""
    return min(now, 2 * before) if now > before else before - (before - now) // FORGET


def pace(
    stream: Stream,
    source: Iterable[Any],
    *,
    period_ms: float | None = None,
    blocking: bool = False,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = interrupt.sleep,
) -> Iterator[Answer]:
    """Step a stream on each frame of a source as it arrives, with warm caches: yields the answers.

    Between frames the thread sleeps. Shortly before the next one it primes the stream, over and over until the frame is
    due, which occupies the processor for 0.2 ms and twice the time of a step with cold caches.

    Args:
        stream: the stream. Nothing else may use it meanwhile.
        source: yields frames, or what else `Stream.step` takes; the iteration ends with it.
        period_ms: time between two frames, or steps that take several; by default that of the model.
        blocking: whether the source itself waits for each frame, as reading a microphone does. The next frame is then
            expected a period after the last, and a source that delivers early is read later by at most as much.
            Otherwise the source answers at once, as a sensor that is polled does: it is asked on a schedule that a late
            step does not move, and frames that are overdue are taken one after the other.
        clock: monotonic nanoseconds; replaced in tests.
        sleep: waits for seconds; replaced in tests.

    Raises:
        UsageError: no period is known, or it is not positive.
        FrameError, StateError: as `Stream.step`; the iteration ends.
        Interrupted: a signal has arrived (edgernn.process.interrupt).
    """
    period = _period_ns(stream, period_ms)
    frames, timer = iter(source), Timer(stream.prime, clock, sleep)
    return (_arriving if blocking else _scheduled)(stream, frames, period, timer, clock)


def _scheduled(stream: Stream, frames: Iterator[Any], period: int, timer: Timer, clock: Clock) -> Iterator[Answer]:
    """Ask for a frame at each moment of a schedule."""
    at = clock() + LEAD_NS
    while True:
        interrupt.check()
        timer.until(at)
        if (frame := next(frames, _END)) is _END:
            return
        yield stream.step(frame)
        at += period


def _arriving(stream: Stream, frames: Iterator[Any], period: int, timer: Timer, clock: Clock) -> Iterator[Answer]:
    """Prime before each frame is expected, and wait for it."""
    stream.prime()
    expected, late = clock() + 10**18, True
    while True:
        interrupt.check()
        if not late:
            timer.prime_before(expected - AHEAD_NS)
        asked = clock()
        if (frame := next(frames, _END)) is _END:
            return
        arrival = clock()
        answer = stream.step(frame)
        late = arrival - asked < WAITED_NS  # the frame was there already, and others may be
        expected = due(expected, arrival) + period
        yield answer


def due(expected: int, arrival: int) -> int:
    """When a frame was due, as far as its arrival tells. A frame may be delayed on its way, and is never early.

    So an early arrival counts in full, and a late one as far as it takes to follow a source that is slower than stated.
    """
    return arrival if arrival < expected else expected + (arrival - expected) // CATCH_UP


def _period_ns(stream: Stream, period_ms: float | None) -> int:
    manifest = stream.program.manifest
    if period_ms is None:
        if manifest.period_ms is None:
            raise UsageError(f"'{stream.program.name}' does not state its frame period; give period_ms=, such as 10")
        period_ms = manifest.period_ms * manifest.frames_per_step
    if not (isfinite(period_ms) and period_ms > 0):
        raise UsageError(f"period_ms={period_ms!r} arrived; expected a number above 0")
    return round(period_ms * 1e6)
