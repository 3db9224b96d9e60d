"""Paced runs on a clock that the test sets: no test waits or depends on the machine."""

from itertools import chain, repeat

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edgernn.budget.verdict import Budget, evaluate
from edgernn.errors import FileError, UsageError
from edgernn.latency.arrivals import recorded, regular
from edgernn.latency.paced import (
    LEAD_NS,
    implied_wait,
    run_back_to_back,
    run_paced,
    time_steps,
    warm_up_on,
)
from edgernn.latency.steps import BLOCK
from edgernn.runtime.pace import AHEAD_NS

MS = 1_000_000


class Clock:
    """Nanoseconds that pass during a step and a sleep, and a little at every reading."""

    def __init__(self, took_ns, look_ns=500, overslept_ns=0):
        self.now, self.took_ns, self.look_ns, self.overslept_ns = 5 * MS, iter(took_ns), look_ns, overslept_ns
        self.frames, self.slept = [], []

    def __call__(self):
        self.now += self.look_ns
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += round(seconds * 1e9) + self.overslept_ns

    def step(self, frame):
        self.frames.append(frame)
        self.now += next(self.took_ns)

    def prime(self):
        self.now += 20_000


def stalling(at, stall_ns, otherwise_ns=MS):
    return chain(repeat(otherwise_ns, at), [stall_ns], repeat(otherwise_ns))


@pytest.mark.parametrize("otherwise_ms", [0.01, 0.5, 0.99])
def test_a_stall_of_100_ms_makes_the_10_late_answers_that_it_causes(otherwise_ms):
    clock = Clock(stalling(20, 100 * MS, round(otherwise_ms * MS)))
    run = run_paced(clock.step, [0], regular(100, 10_000), clock, clock.sleep)
    late = np.flatnonzero(run.response > 10 * MS)
    assert late.tolist() == list(range(20, 30))
    assert np.sum(run.service > 10 * MS) == 1  # all that service times show
    evaluated = evaluate((run.response / 1000).tolist(), Budget(10_000))
    assert (evaluated.misses, evaluated.longest_run) == (10, 10)


@pytest.mark.parametrize("otherwise_ms", [0.01, 0.5, 0.99])
def test_back_to_back_implies_the_same_late_answers(otherwise_ms):
    clock = Clock(stalling(20, 100 * MS, round(otherwise_ms * MS)))
    run = run_back_to_back(clock.step, [0], regular(100, 10_000), clock)
    assert np.flatnonzero(run.response > 10 * MS).tolist() == list(range(20, 30))
    assert run.implied
    assert not run.jitter.any()
    assert clock.slept == []


def test_the_schedule_is_never_moved():
    clock = Clock(stalling(3, 35 * MS, 2 * MS))
    run = run_paced(clock.step, [0], regular(50, 10_000), clock, clock.sleep)
    assert run.due.tolist() == [10 * MS * i for i in range(50)]
    assert np.all(run.start >= run.due)
    on_time = run.start - run.due <= clock.look_ns
    assert np.flatnonzero(~on_time).tolist() == [4, 5, 6, 7]  # 35, 27, 19, 11 ms late; then it has caught up
    assert not run.implied


def test_jitter_is_the_time_lost_by_waking_late_and_not_by_the_step_before():
    clock = Clock(stalling(3, 35 * MS, 2 * MS), overslept_ns=AHEAD_NS + 70_000)
    run = run_paced(clock.step, [0], regular(50, 10_000), clock, clock.sleep)
    assert np.all(run.jitter[4:8] <= 4 * clock.look_ns)  # they waited for the stall and did not sleep
    assert np.all(abs(run.jitter[9:] - 70_000) <= 4 * clock.look_ns)


def test_it_sleeps_until_shortly_before_a_frame_and_never_for_frames_that_come_fast():
    slow, fast = Clock(repeat(MS)), Clock(repeat(1000))
    run_paced(slow.step, [0], regular(10, 10_000), slow, slow.sleep)
    run_paced(fast.step, [0], regular(10, 150), fast, fast.sleep)
    assert slow.slept[1:] == pytest.approx([(9 * MS - AHEAD_NS) / 1e9] * 9, abs=5e-6)
    assert fast.slept == pytest.approx([(LEAD_NS - AHEAD_NS) / 1e9], abs=5e-6)  # before the first


@pytest.mark.parametrize(
    "measure",
    [
        lambda c, *arguments: run_paced(c.step, *arguments, c, c.sleep),
        lambda c, *arguments: run_back_to_back(c.step, *arguments, c),
    ],
)
def test_frames_are_given_in_turn(measure):
    clock = Clock(repeat(1000))
    run = measure(clock, ["a", "b", "c"], regular(7, 100))
    assert "".join(clock.frames) == "abcabca"
    assert len(run.due) == len(run.start) == len(run.end) == 7


def test_timing_continues_with_the_next_frame():
    clock, frames = Clock([10, 20, 30, 40], look_ns=0), iter("abcdef")
    assert [*time_steps(clock.step, frames, 3, clock), *time_steps(clock.step, frames, 1, clock)] == [10, 20, 30, 40]
    assert "".join(frames) == "ef"


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=60))
def test_the_implied_wait_is_lindleys(steps):
    service, due = np.array([s for s, _ in steps]), np.cumsum([t for _, t in steps])
    waits, w = [], 0
    for i in range(len(steps)):
        waits.append(w)
        if i + 1 < len(steps):
            w = max(0, w + service[i] - (due[i + 1] - due[i]))
    assert implied_wait(service, due).tolist() == waits


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 3 * MS), st.integers(0, 3 * MS)), min_size=1, max_size=20))
def test_paced_and_implied_agree_where_a_step_takes_the_same_in_both(steps):
    service, due = [s for s, _ in steps], np.cumsum([0, *(t for _, t in steps[1:])]).astype(np.int64)
    awake, asleep = Clock(service, look_ns=0), Clock(service, look_ns=0)
    asleep.look_ns = 500
    there = run_paced(asleep.step, [0], due, asleep, asleep.sleep)
    implied = run_back_to_back(awake.step, [0], due, awake)
    assert np.all(abs(there.response - implied.response) <= 2500 * len(steps))


def test_a_frame_rate_of_a_fraction_does_not_drift():
    due = regular(44_101, 1e6 / 44_100)
    assert due[-1] == 10**9
    assert abs(np.diff(due) - 1e9 / 44_100).max() <= 1


def test_a_warm_up_takes_the_frames_in_turn():
    clock = Clock(repeat(1000))
    assert warm_up_on(clock.step, ["a", "b"], clock) == (2 * BLOCK, True)
    assert "".join(clock.frames) == "ab" * BLOCK


def test_recorded_arrivals_are_those_of_the_file(tmp_path):
    text, array = tmp_path / "t.csv", tmp_path / "t.npy"
    text.write_text("100.5\n110.5\n\n110.5\n131\n")
    np.save(array, np.array([100.5, 110.5, 110.5, 131]))
    assert recorded(text).tolist() == recorded(array).tolist() == [0, 10 * MS, 10 * MS, 30_500_000]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", "holds (0,) times; expected (frames,), at least two"),
        ("5\n", "holds (1,) times"),
        (
            "0\n10\n9\n",
            "frame 2 arrives at 9 ms, after one at 10 ms; expected times in milliseconds that never decrease",
        ),
        ("0\nnan\n", "frame 1 arrives at nan ms"),
        ("0\ninf\n", "frame 1 arrives at inf ms"),
        ("0\nten\n", "time 1: could not convert"),
        ("0\n1e300\n", "expected milliseconds"),
    ],
)
def test_arrivals_that_cannot_be_are_refused(tmp_path, text, meant):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FileError) as refusal:
        recorded(tmp_path / "t.csv")
    assert meant in str(refusal.value)


def test_what_holds_no_times_is_refused(tmp_path):
    np.save(tmp_path / "two.npy", np.zeros((2, 2)))
    (tmp_path / "broken.npy").write_bytes(b"no array")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe")
    for name, meant in (("two.npy", r"\(2, 2\) times"), ("broken.npy", "is not a .npy array"), ("bytes.csv", "time 0")):
        with pytest.raises(FileError, match=meant):
            recorded(tmp_path / name)


def test_no_steps_are_no_schedule():
    with pytest.raises(UsageError, match="0 steps cannot be measured"):
        regular(0, 10_000)
