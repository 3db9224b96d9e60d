"""The monitor: its histogram against the times themselves, its misses against a clock that the test sets."""

import tracemalloc
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import edgernn
from edgernn import Budget, Monitor
from edgernn.budget.monitor import BINS, RESOLUTION, DeadlineMiss, bin_of, bin_upper_ns
from edgernn.errors import FrameError, UsageError
from edgernn_export import export
from zoo import keyword_spotter

BUDGET = Budget(period_us=1000, deadline_us=100)
TIMES = st.integers(0, 2**38)


def fed(times, monitor):
    """A monitor that has counted steps of these nanoseconds."""
    ticks = iter([tick for took in times for tick in (7, 7 + took)])
    monitor = monitor(lambda: next(ticks))
    step = monitor.wrap(lambda: None)
    for _ in times:
        assert not step()
    return monitor


def snapshot_of(times, budget=BUDGET):
    return fed(times, lambda clock: Monitor(budget, clock=clock)).snapshot()


@given(took=TIMES)
def test_a_bin_holds_its_times_and_is_as_narrow_as_documented(took):
    k = bin_of(took)
    least = bin_upper_ns(k - 1) + 1 if k else 0
    assert least <= took <= bin_upper_ns(k)
    assert bin_upper_ns(k) - least <= RESOLUTION * least


def test_bins_follow_one_another_without_a_gap():
    assert [bin_of(bin_upper_ns(k)) for k in range(BINS)] == [*range(BINS)]
    assert [bin_of(bin_upper_ns(k) + 1) for k in range(BINS - 1)] == [*range(1, BINS)]
    assert bin_of(2**50) == BINS - 1


@settings(max_examples=100, deadline=None)
@given(times=st.lists(TIMES, min_size=1, max_size=200), percent=st.floats(0.1, 100))
def test_a_percentile_is_that_of_the_times_within_the_resolution(times, percent):
    exact = sorted(times)[ceil(percent / 100 * len(times)) - 1]
    percentile = round(snapshot_of(times).percentile_us(percent) * 1000)
    assert exact <= percentile <= exact * (1 + RESOLUTION)


@settings(max_examples=100, deadline=None)
@given(times=st.lists(st.sampled_from([0, 63, 64, 99_999, 100_000, 100_001, 2**39]), min_size=1))
def test_misses_are_those_beyond_the_deadline(times):
    late = [took > 100_000 for took in times]
    rows = [len(row) for row in "".join("x" if each else " " for each in late).split()]
    snapshot = snapshot_of(times)
    assert (snapshot.steps, snapshot.misses, snapshot.longest_run) == (len(times), sum(late), max(rows, default=0))
    assert snapshot.worst_us == max(times) / 1000


@settings(max_examples=100, deadline=None)
@given(first=st.lists(TIMES), second=st.lists(TIMES))
def test_two_snapshots_merge_to_that_of_both(first, second):
    merged, both = snapshot_of(first) | snapshot_of(second), snapshot_of([*first, *second])
    assert (merged.counts, merged.misses, merged.worst_us) == (both.counts, both.misses, both.worst_us)
    assert (
        both.longest_run >= merged.longest_run == max(snapshot_of(first).longest_run, snapshot_of(second).longest_run)
    )
    with pytest.raises(UsageError, match=r"snapshots of Budget\(.* cannot be merged"):
        snapshot_of(first) | snapshot_of(second, replace(BUDGET, deadline_us=99))


@pytest.mark.parametrize(("burst", "calls"), [(1, [1, 1, 2, 3, 4, 5]), (2, [2, 4]), (5, [5]), (6, [])])
def test_the_hook_is_called_at_every_burst(burst, calls):
    misses = []
    times = [1, 200_000, 1, *[300_000] * 5, 1]
    fed(times, lambda clock: Monitor(BUDGET, misses.append, burst, clock))
    assert [miss.in_a_row for miss in misses] == calls
    assert all(miss == DeadlineMiss(300.0, miss.in_a_row) for miss in misses[1:])


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percentile_that_cannot_be_is_refused(percent):
    with pytest.raises(UsageError, match="expected more than 0 and at most 100"):
        snapshot_of([1]).percentile_us(percent)
    with pytest.raises(UsageError, match="no step was counted yet"):
        snapshot_of([]).percentile_us(50)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((10,), "a int arrived to monitor"),
        ((BUDGET, None, 0), "burst is 0; expected"),
        ((BUDGET, None, True), "True"),
    ],
)
def test_an_invalid_monitor_is_refused(arguments, words):
    with pytest.raises(UsageError, match=words):
        Monitor(*arguments)


@pytest.mark.parametrize("around", [2**k + half for k in (7, 10, 14, 20) for half in (0, 2 ** (k - 1))])
def test_times_that_vary_around_any_boundary_are_counted_the_quick_way(around):
    counted = []

    class Counted(Monitor):
        __slots__ = ()

        def _count(self, took, row):
            counted.append(took)
            return super()._count(took, row)

    times = [around + (-1) ** k * (around // 20) for k in range(200)]
    fed(times, lambda clock: Counted(Budget(10**6), clock=clock))
    assert len(counted) <= 3


def test_it_never_grows():
    monitor = Monitor(BUDGET)
    step = monitor.wrap(lambda: None)
    for _ in range(2000):
        step()
    tracemalloc.start()
    for _ in range(20_000):
        step()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 40 * BINS  # counts beyond the small numbers are objects, at most one per bin
    assert monitor.snapshot().steps == 22_000


@pytest.fixture(scope="module", params=[".rnn", ".so"])
def program(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("monitor") / f"m{request.param}"
    edgernn.save(keyword_spotter(), path) if path.suffix == ".rnn" else export(keyword_spotter(), path)
    return edgernn.open(path)


def test_a_monitored_stream_computes_the_same_and_counts_its_steps(program):
    frames = np.random.default_rng(0).standard_normal((50, 10)).astype(np.float32)
    monitored, plain = program.stream(monitor=Budget(10_000)), program.stream()
    assert np.array_equal(monitored.run(frames), plain.run(frames))
    assert monitored.monitor.snapshot().steps == 50
    assert np.array_equal(monitored.step(frames[0]), plain.step(frames[0]))
    assert monitored.monitor.snapshot().steps == 51
    assert plain.monitor is None


@pytest.mark.parametrize(("on_bad_input", "steps"), [("raise", 0), ("hold", 1), ("zero", 1)])
def test_a_refused_frame_is_no_step(program, on_bad_input, steps):
    stream = program.stream(on_bad_input=on_bad_input, monitor=Budget(10_000))
    bad = np.full(10, np.nan, np.float32)
    if on_bad_input == "raise":
        with pytest.raises(FrameError):
            stream.step(bad)
    else:
        stream.step(bad)
    assert stream.monitor.snapshot().steps == steps


def test_a_hook_may_stop_the_stream_between_two_steps(program):
    """Its exception propagates out of `step`; the state has advanced, and the stream can continue."""

    class StoppedError(Exception):
        pass

    def stop(_miss):
        raise StoppedError

    ticks = iter(range(0, 10**9, 200_000))
    frames = np.random.default_rng(0).standard_normal((3, 10)).astype(np.float32)
    stream, plain = program.stream(monitor=Monitor(BUDGET, stop, clock=lambda: next(ticks))), program.stream()
    plain.run(frames[:2])
    for frame in frames[:2]:
        with pytest.raises(StoppedError):
            stream.step(frame)
    assert all(np.array_equal(value, plain.state[name]) for name, value in stream.state.items())
