"""Pacing on a clock that the test sets: what is primed when, and which frames are taken."""

import os
import signal
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn.errors import FrameError, UsageError
from edgernn.latency.arrivals import regular
from edgernn.latency.paced import run_alternately, run_paced
from edgernn.process import interrupt
from edgernn.process.interrupt import Interrupted
from edgernn.runtime.pace import AHEAD_NS, CATCH_UP, FIRST_PRIME_NS, LEAD_NS, Timer, due, pace
from zoo import GRAPHS, frames, keyword_spotter

MS, US = 1_000_000, 1000
KWS = keyword_spotter()  # a frame every 10 ms
XS = frames(KWS, 12)


class Clock:
    """Nanoseconds that pass while the thread sleeps, primes and waits for a source, and a little at every reading."""

    def __init__(self, primes_ns=(), warm_ns=4 * US, overslept_ns=0):
        self.now, self.overslept_ns, self.slept = 0, overslept_ns, []
        self.cold_ns, self.warm_ns, self.cold, self.primed = iter(primes_ns), warm_ns, True, []

    def __call__(self):
        self.now += 100
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e9) + self.overslept_ns
        self.cold = True

    def prime(self):
        begun = self.now
        self.now += next(self.cold_ns, 150 * US) if self.cold else self.warm_ns
        self.cold = False
        self.primed.append((begun, self.now))


@pytest.fixture
def stream(tmp_path):
    edgernn.save(KWS, tmp_path / "m.rnn")
    return edgernn.open(tmp_path / "m.rnn").stream()


def on_a_clock(stream, source, monkeypatch, clock, **options):
    """`pace` on a clock; priming takes the clock's time, and is really done."""
    prime = stream.prime
    monkeypatch.setattr(type(stream), "prime", lambda _: (clock.prime(), prime())[0])
    return pace(stream, source, clock=clock, sleep=clock.sleep, **options)


def test_a_wait_ends_on_time_and_is_primed_to_its_end():
    clock = Clock()
    timer = Timer(clock.prime, clock, clock.sleep)
    for k in range(1, 100):
        assert timer.until(10 * k * MS) - 10 * k * MS <= 200
        assert clock.primed[-1][1] > 10 * k * MS - 10 * clock.warm_ns
    assert len(clock.primed) > 2 * 99
    assert clock.slept[-1] > 9e-3  # by then it knows how long a prime takes


def test_without_prime_it_sleeps_and_waits():
    clock = Clock()
    assert Timer(None, clock, clock.sleep).until(10 * MS) == pytest.approx(10 * MS, abs=200)
    assert clock.slept == [pytest.approx((10 * MS - AHEAD_NS) / 1e9, abs=1e-6)]


@settings(max_examples=100)
@given(
    cold_us=st.lists(st.integers(1, 3000), min_size=1, max_size=30),
    overslept_us=st.integers(0, 1000),
    period_us=st.integers(50, 10_000),
)
def test_a_wait_is_late_only_by_a_prime_that_takes_longer_than_expected_or_by_a_sleep(cold_us, overslept_us, period_us):
    clock = Clock([each * US for each in cold_us], overslept_ns=overslept_us * US)
    timer, at = Timer(clock.prime, clock, clock.sleep), 0
    for _ in range(len(cold_us)):
        at, expected = max(at + period_us * US, clock.now), timer._cold_ns
        slept, primes = len(clock.slept), len(clock.primed)
        now = timer.until(at)
        took = [end - begun for begun, end in clock.primed[primes:]]
        allowed = [expected, *(2 * each for each in took[:-1])]
        in_time = all(each <= most for each, most in zip(took, allowed, strict=False))
        assert now >= at
        if in_time and len(clock.slept) == slept:
            assert now - at < 1000


def test_an_outlier_moves_the_wait_little_and_a_slow_prime_is_learned():
    clock = Clock([8 * MS, *[150 * US] * 60, *[900 * US] * 60])
    timer, estimates = Timer(clock.prime, clock, clock.sleep), []
    for k in range(1, 121):
        timer.until(20 * k * MS)
        estimates.append(timer._cold_ns)
    assert estimates[0] == 2 * FIRST_PRIME_NS
    assert estimates[60] < 250 * US
    assert estimates[-1] == pytest.approx(900 * US, rel=0.01)
    assert clock.now - 120 * 20 * MS < 1000


def test_a_system_that_wakes_late_is_asked_to_wake_earlier():
    clock = Clock(overslept_ns=600 * US)
    timer = Timer(clock.prime, clock, clock.sleep)
    late = [timer.until(10 * k * MS) - 10 * k * MS for k in range(1, 60)]
    assert max(late[5:]) <= 200
    assert len(clock.primed) > 50


def test_a_paced_run_is_primed_between_its_frames():
    clock, taken = Clock(), []
    run = run_paced(
        lambda frame: taken.append((clock.now, frame)), "ab", regular(40, 10_000), clock, clock.sleep, clock.prime
    )
    assert run.response.max() <= 1000
    assert "".join(frame for _, frame in taken) == "ab" * 20
    for (begun, _), (later, _) in pairwise(taken):
        assert sum(begun < end < later for _, end in clock.primed) >= 2


def test_every_other_frame_is_primed():
    clock, begun = Clock(), []
    paced, primed = run_alternately(lambda _: begun.append(clock.now), clock.prime, "a", 10_000, 20, clock, clock.sleep)
    assert len(paced) == len(primed) == 20
    assert max(*paced, *primed) <= 1000
    waits = zip([0, *begun], begun, strict=False)
    kinds = [any(start < end < stop for _, end in clock.primed) for start, stop in waits]
    assert kinds == [False, True] * 20


def test_frames_of_a_schedule_are_asked_for_on_time(stream, monkeypatch):
    clock, asked = Clock(), []

    def sensor():
        for x in XS:
            asked.append(clock.now)
            yield x

    expected = stream.program.stream().run(XS)
    answers = list(on_a_clock(stream, sensor(), monkeypatch, clock))
    np.testing.assert_array_equal(answers, expected)
    np.testing.assert_allclose(np.array(asked) - LEAD_NS, 10 * MS * np.arange(len(XS)), atol=1000)


def test_a_schedule_stays_where_it_is_and_no_frame_is_left_out(stream, monkeypatch):
    clock, asked = Clock(), []

    def sensor():
        for x in XS:
            asked.append(clock.now)
            yield x

    for k, _ in enumerate(on_a_clock(stream, sensor(), monkeypatch, clock, period_ms=5)):
        clock.now += (
            17 if k == 2 else 1
        ) * MS  # what the program does with the third answer takes longer than 3 periods
    late = (np.array(asked) - LEAD_NS - 5 * MS * np.arange(len(XS))) / MS
    np.testing.assert_allclose(late, [0, 0, 0, 12, 8, 4, *[0] * 6], atol=0.01)


class Microphone:
    """A source that waits for each frame itself; the k-th arrives at `arrivals[k]`."""

    def __init__(self, clock, arrivals):
        self.clock, self.arrivals, self.asked = clock, arrivals, []

    def __iter__(self):
        for k, at in enumerate(self.arrivals):
            self.asked.append(self.clock.now)
            self.clock.now = max(self.clock.now + US, at)
            yield XS[k % len(XS)]


@pytest.mark.parametrize("drift", [0, 1e-4, -1e-4])
def test_a_source_that_blocks_is_asked_before_its_frames_arrive(stream, monkeypatch, drift):
    """Also where its clock is not ours, and it starts when it likes."""
    clock = Clock()
    arrivals = (123 * MS + 10 * MS * (1 + drift) * np.arange(60)).astype(int)
    source = Microphone(clock, arrivals)
    assert len(list(on_a_clock(stream, source, monkeypatch, clock, blocking=True))) == 60
    early = arrivals[:60] - np.array(source.asked)[:60]
    assert (early[2:] > AHEAD_NS // 2).all()
    assert (early[2:] < AHEAD_NS + 50 * US).all()
    assert len(clock.primed) > 120


def test_frames_that_are_there_already_are_not_waited_for(stream, monkeypatch):
    """A program that was held up, and a source that delivers four frames at once."""
    clock = Clock()
    arrivals = [10 * MS * (4 * (k // 4) + 4) for k in range(40)]
    answers = on_a_clock(stream, Microphone(clock, arrivals), monkeypatch, clock, blocking=True)
    taken = [clock.now for _ in answers]
    late = np.array(taken) - arrivals
    assert np.median(late) < MS
    assert late.max() <= 10 * MS


@given(delays=st.lists(st.integers(0, 3 * MS), min_size=100, max_size=200))
def test_a_delay_on_the_way_does_not_make_the_next_frame_late(delays):
    expected, early = 10 * MS, []
    for k, delay in enumerate(delays, 1):
        arrival = 10 * MS * k + delay
        expected = due(expected, arrival) + 10 * MS
        early.append(expected - 10 * MS * (k + 1))
    assert min(early) >= 0
    assert max(early) <= 3 * MS
    assert due(0, CATCH_UP) == 1


WRONG_PERIODS = {"zero": 0, "negative": -1.0, "not a number": float("nan"), "endless": float("inf")}


@pytest.mark.parametrize("name", WRONG_PERIODS)
def test_a_period_that_is_none_is_refused_before_anything_runs(name, stream):
    with pytest.raises(UsageError, match=r"period_ms=.* arrived; expected a number above 0"):
        pace(stream, XS, period_ms=WRONG_PERIODS[name])


def test_a_model_that_states_no_period_needs_one(tmp_path):
    edgernn.save(GRAPHS["Gru"], tmp_path / "m.rnn")
    with pytest.raises(UsageError, match=r"'.*m.rnn' does not state its frame period; give period_ms="):
        pace(edgernn.open(tmp_path / "m.rnn").stream(), [])


def test_a_frame_that_is_refused_ends_it_and_leaves_the_state(stream, monkeypatch):
    clock, bad = Clock(), np.full_like(XS[0], np.nan)
    with pytest.raises(FrameError, match="is nan"):
        list(on_a_clock(stream, [XS[0], bad], monkeypatch, clock))
    other = stream.program.stream()
    other.step(XS[0])
    np.testing.assert_array_equal(stream.step(XS[1]), other.step(XS[1]))


@pytest.mark.parametrize("blocking", [False, True])
def test_a_signal_ends_it(stream, blocking):
    taken, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it to ignored

    @interrupt.deferred()
    def program():
        for answer in pace(stream, XS, period_ms=1, blocking=blocking):
            taken.append(answer)
            if len(taken) == 2:
                os.kill(os.getpid(), signal.SIGINT)

    try:
        with pytest.raises(Interrupted):
            program()
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(taken) == 2


def test_nothing_is_read_before_it_is_iterated(stream):
    numbers = count()
    pace(stream, (XS[0] for _ in iter(lambda: next(numbers), None)))
    assert next(numbers) == 0
