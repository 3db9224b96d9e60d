"""Series: nothing crosses a gap, rows are ordered by instants, and means are of measured values only."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from pyarrow import parquet

import edgernn
from edge import edge
from edgernn.cells import Difference
from edgernn.errors import EdgernnError, FileError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.postprocess.anomaly import AnomalyLikelihood
from edgernn.train.data import sampling
from edgernn.train.data.reader import read_data
from edgernn.train.evaluate.anomalies import Rule, anomaly_scores, detect_anomalies

BEGIN = datetime.fromisoformat("2024-01-01 00:00")
MANY = settings(max_examples=40, deadline=None)


def series(path, times, values):
    path.write_text("timestamp,value\n" + "".join(f"{t},{v}\n" for t, v in zip(times, values, strict=True)))
    return path


def spread(seconds):
    return [BEGIN + timedelta(seconds=float(each)) for each in seconds]


def pairs(data, part):
    """The row of each frame and the rows of its targets, for a series whose values are the numbers of its rows."""
    result = set()
    for frames, targets in zip(part.frames, part.targets, strict=True):
        rows, ahead = np.rint(frames[:, 0]).astype(int), np.rint(data.unscaled(targets, frames)).astype(int)
        assert (np.diff(rows) == 1).all()
        result |= {(row, *later) for row, later in zip(rows.tolist(), ahead.tolist(), strict=True)}
    return result


@st.composite
def gapped(draw):
    """An interval; the rows that are late or early; and the times of all rows in seconds, with jitter."""
    interval = draw(st.sampled_from([0.02, 1.0, 600.0, 86400.0]))
    lengths = draw(st.lists(st.integers(8, 25), min_size=1, max_size=5))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    steps = interval * random.uniform(0.9, 1.1, sum(lengths))
    starts = np.cumsum(lengths)[:-1]
    steps[starts] = interval * random.choice([0.3, 0.7, 1.5, 2, 84.2, 1000], len(starts))
    return interval, starts, np.cumsum(steps)


@MANY
@given(
    series_of=gapped(), horizon=st.sampled_from([[1], [2, 5]]), chunk=st.sampled_from([0, 4]), difference=st.booleans()
)
def test_the_pairs_are_all_that_cross_neither_a_gap_nor_the_split(
    series_of, horizon, chunk, difference, tmp_path_factory
):
    interval, starts, seconds = series_of
    n, most = len(seconds), max(horizon)
    run, first = np.searchsorted(starts, np.arange(n), side="right"), n - round(0.4 * n)
    expected = [
        {(k, *(k + step for step in horizon)) for k in range(a, b - most) if run[k] == run[k + most]}
        for a, b in ((0, first), (first, n))
    ]
    path = series(tmp_path_factory.mktemp("gaps") / "s.csv", spread(seconds), range(n))
    options = {"horizon": horizon, "chunk": chunk, "difference": difference, "test_share": 0.4}
    if not all(expected):
        with pytest.raises(UsageError, match="too few for a horizon"):
            read_data("series", path, options)
        return
    actual = read_data("series", path, options)
    assert [pairs(actual, part) for part in (actual.train, actual.test)] == expected
    assert actual.period_ms == pytest.approx(1000 * interval, rel=0.1)
    assert bool(actual.notes) == bool(len(starts))


@MANY
@given(series_of=gapped(), difference=st.booleans())
def test_the_figures_of_the_scores_are_those_of_the_runs(series_of, difference, tmp_path_factory):
    """They include no change across a gap."""
    _, starts, seconds = series_of
    values = np.random.default_rng(0).standard_normal(len(seconds)).cumsum().astype(np.float32)
    values += 1000 * np.searchsorted(starts, np.arange(len(seconds)), side="right")
    first = len(seconds) - round(0.2 * len(seconds))
    runs = np.split(values[:first], starts[starts < first])
    known = np.concatenate([np.diff(run) for run in runs] if difference else runs).astype(np.float64)
    path = series(tmp_path_factory.mktemp("gaps") / "s.csv", spread(seconds), values)
    result = read_data("series", path, {"difference": difference})
    np.testing.assert_allclose((result.mean, result.deviation), ([known.mean()], [known.std()]), rtol=1e-3)
    if difference:
        np.testing.assert_allclose(result.exact[1][1].by.stored, values[:first].std() / known.std(), rtol=1e-3)


def test_the_notes_count_gaps_and_their_time(tmp_path):
    """Rows ten minutes apart with five gaps of 14 hours, and one early row, as after a restart."""
    day = 600 * np.arange(60)
    seconds = np.concatenate([day + 86400 * k for k in range(6)])
    path = series(tmp_path / "s.csv", spread(np.insert(seconds, 9, seconds[8] + 60)), range(361))
    gaps, early = read_data("series", path).notes
    assert gaps.startswith("Gaps in time: 5, 2.917 d in total, where rows are more than 10 min apart")
    assert early.startswith("Rows less than 10 min after the row before: 1.")


@MANY
@given(
    n=st.integers(20, 60),
    interval=st.sampled_from([1, 30, 600, 1800, 86400]),
    calendar=st.booleans(),
    difference=st.booleans(),
)
def test_a_regular_series_is_what_it_was_after_resampling_by_its_interval(
    n, interval, calendar, difference, tmp_path_factory
):
    values = np.random.default_rng(n).standard_normal(n)
    path = series(tmp_path_factory.mktemp("regular") / "s.csv", spread(interval * np.arange(n) + 77), values)
    options = {"calendar": calendar, "difference": difference}
    one, other = (read_data("series", path, options | more) for more in ({}, {"resample": f"{interval}s"}))
    for a, b in ((one.train, other.train), (one.test, other.test)):
        np.testing.assert_array_equal(a.frames, b.frames)
        np.testing.assert_array_equal(a.targets, b.targets)
    assert (one.exact, one.period_ms, one.train.sources) == (other.exact, other.period_ms, other.train.sources)


@MANY
@given(seed=st.integers(0, 999), every=st.sampled_from([60, 300]), calendar=st.booleans())
def test_frames_are_means_around_multiples_of_the_interval(seed, every, calendar, tmp_path_factory):
    """Rows at arbitrary times, compared with a mean computed by hand; an interval without a row is a gap."""
    random = np.random.default_rng(seed)
    seconds = np.append(0, random.exponential(50, 400).cumsum()).round(3)
    values = random.standard_normal(401)
    held: dict[int, list[float]] = {}
    for at, value in zip(seconds, values, strict=True):
        held.setdefault(int((at + every / 2) // every), []).append(value)
    path = series(tmp_path_factory.mktemp("any") / "s.csv", spread(seconds), values)
    actual = read_data("series", path, {"resample": f"{every}s", "calendar": calendar})
    first = len(held) - round(0.2 * len(held))
    student = list(held)[:first]
    expected = [k for k, later in pairwise(student) if later == k + 1]  # the rows with a value one interval later
    frames = np.concatenate(actual.train.frames)
    np.testing.assert_allclose(frames[:, 0], [np.mean(held[k]) for k in expected], rtol=1e-5, atol=1e-6)
    later = actual.unscaled(np.concatenate(actual.train.targets), frames)
    np.testing.assert_allclose(later[:, 0], [np.mean(held[k + 1]) for k in expected], rtol=1e-4, atol=1e-5)
    if calendar:
        np.testing.assert_allclose(frames[:, 1], np.sin(2 * np.pi * every * np.array(expected) / 86400), atol=1e-5)
    assert actual.period_ms == 1000 * every


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata")
CHANGES = (
    "2024-03-08",
    "2024-03-29",
    "2024-04-05",
    "2024-10-04",
    "2024-10-25",
    "2024-11-01",
)  # a day or two before one
WRITTEN = {
    "offsets": (lambda moment, zone: moment.astimezone(zone).isoformat(), False),
    "UTC": (lambda moment, zone: moment.isoformat().replace("+00:00", "Z"), True),
    "wall time": (lambda moment, zone: str(moment.astimezone(zone).replace(tzinfo=None)), True),
}
"""How a time is written -> of a moment and a zone, and whether the reader is told the zone."""


def half_hours(day, n=300):
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return [begin + timedelta(minutes=30 * k) for k in range(n)]


@pytest.mark.parametrize("day", CHANGES)
@pytest.mark.parametrize("zone", ZONES)
def test_both_changes_of_the_clock_are_no_gap_and_the_calendar_is_that_of_the_wall(zone, day, tmp_path):
    moments, place = half_hours(day), ZoneInfo(zone)
    walls = [moment.astimezone(place) for moment in moments]
    turns = 2 * np.pi * np.array([[wall.hour / 24 + wall.minute / 1440, wall.weekday() / 7] for wall in walls])
    turns[:, 1] += turns[:, 0] / 7
    for write, message in WRITTEN.values():
        path = series(tmp_path / "s.csv", [write(moment, place) for moment in moments], np.arange(300) % 48)
        result = read_data("series", path, {"calendar": True} | ({"zone": zone} if message else {}))
        assert (len(result.train), len(result.test), result.notes, result.period_ms) == (1, 1, (), 1_800_000.0)
        frames = np.concatenate([result.train.frames[0], result.test.frames[0]])
        rows = [*range(239), *range(240, 299)]
        np.testing.assert_allclose(frames[:, 1::2], np.sin(turns[rows]), atol=1e-5)
        np.testing.assert_allclose(frames[:, 2::2], np.cos(turns[rows]), atol=1e-5)


def test_times_of_a_parquet_file_have_their_zone(tmp_path):
    moments = half_hours("2024-10-25")
    cells = pa.array(moments, pa.timestamp("us", "Europe/Berlin"))
    parquet.write_table(pa.table({"timestamp": cells, "value": np.arange(300.0)}), tmp_path / "s.parquet")
    place = ZoneInfo("Europe/Berlin")
    series(tmp_path / "s.csv", [moment.astimezone(place).isoformat() for moment in moments], np.arange(300.0))
    one, other = (read_data("series", tmp_path / f"s.{kind}", {"calendar": True}) for kind in ("parquet", "csv"))
    np.testing.assert_array_equal(one.train.frames[0], other.train.frames[0])
    assert (one.notes, one.period_ms) == ((), 1_800_000.0)


def test_a_clock_that_was_set_back_is_one_interval_later_where_that_is_allowed(tmp_path):
    """A gap is reported only where an hour is missing."""
    place = ZoneInfo("Europe/Berlin")
    autumn, spring = (
        series(tmp_path / f"{day}.csv", [WRITTEN["wall time"][0](each, place) for each in half_hours(day)], range(300))
        for day in ("2024-10-25", "2024-03-29")
    )
    result = read_data("series", autumn, {"ordered": False})
    assert (len(result.train), result.train.steps) == (1, 239)
    assert [note[:47] for note in result.notes] == ["Rows whose time is not after the row before: 1."]
    result = read_data("series", spring)
    assert [note[:21] for note in result.notes] == ["Gaps in time: 1, 1 h "]
    assert (len(result.train), result.train.steps) == (2, 238)


def hours(*times):
    return lambda: [f"2024-10-27 {each}" for each in times]


def twenty(*steps):
    """Times from BEGIN whose differences in minutes cycle through a list."""
    return lambda: spread(60 * np.cumsum(np.resize(steps, 20)))


REFUSED = {
    "an hour that the clock showed twice": (hours("02:00", "02:30", "02:00", "02:30", "03:00"), {}, r"line 4: the time 2024-10-27 02:00 is not after 2024-10-27 02:30: the clock was set back by an hour at the end of daylight saving time, and times without a UTC offset .* zone = \"Europe/Berlin\""),
    "an hour twice, of rows an hour apart": (hours("01:00", "02:00", "02:00", "03:00"), {}, r"line 4: .*: a row is duplicated, or the clock was set back by an hour"),
    "a row twice": (hours("01:00", "01:10", "01:10", "01:20"), {}, r"line 4: the time 2024-10-27 01:10 is not after 2024-10-27 01:10; sort the rows, or set ordered = false"),
    "rows out of order, with offsets": (hours("02:00+02:00", "02:30+02:00", "02:00+02:00"), {}, r"line 4: .*; sort the rows"),
    "the newest first": (hours("03:00", "02:00", "01:00"), {"ordered": False}, r"3 rows, and no time is after the time before it; .*sort the rows"),
    "one row": (hours("03:00"), {}, r"1 rows, and no time is after"),
    "with and without an offset": (hours("03:00Z", "04:00"), {}, r"line 3: the time 2024-10-27 04:00 has no UTC offset, and 2024-10-27 03:00Z before it has a UTC offset"),
    "without and with an offset": (hours("03:00", "04:00Z"), {}, r"line 3: the time 2024-10-27 04:00Z has a UTC offset, and 2024-10-27 03:00 before it has no UTC"),
    "a time that never was": (lambda: ["2024-03-31 01:30", "2024-03-31 02:00"], {"zone": "Europe/Berlin"}, r"line 3: the time 2024-03-31 02:00:00 does not exist in Europe/Berlin, because the clock is set forward"),
    "a zone misspelt": (hours("03:00"), {"zone": "Europe/Berlni"}, r"no time zone 'Europe/Berlni'; did you mean 'Europe/Berlin'\?"),
    "a zone that is a number": (hours("03:00"), {"zone": 2}, r"reader 'series' has zone = 2; expected a text"),
    "a zone and no times": (hours("03:00"), {"zone": "UTC", "time": ""}, r"resample and zone need the column of the time"),
    "irregular sampling": (twenty(10, 10, 3, 17, 40), {}, r"line 4: the time 2024-01-01 00:23:00 is 3 min after 2024-01-01 00:20:00, and the median is 10 min: 12 of 19 rows are not on time. Resample the series with resample = \"20min\""),
    "rows in any order": (twenty(10, -20, 35), {"ordered": False}, r"line 3: .*are not on time"),
    "runs too short": (twenty(1, 1, 1, 10), {"horizon": 4}, r"a part with at most 4 rows between gaps, too few for a horizon of 4 steps"),
    "values made up": (twenty(10), {"resample": "5min"}, r"resample is 5 min, and the median interval of '.*' is 10 min; expected at least the median interval"),
    "a unit of nothing": (twenty(10), {"resample": "10mins"}, r"'10mins' is not a duration; expected a number above 0 and one of ms, s, min, h, d"),
    "no duration": (twenty(10), {"resample": 10}, r"reader 'series' has resample = 10; expected a text"),
    "nothing": (twenty(10), {"resample": "0min"}, r"'0min' is not a duration"),
    "an option misspelt": (twenty(10), {"resampel": "10min"}, r"has no option 'resampel'; did you mean 'resample'\?"),
}  # fmt: skip
"""Times, options -> what is said."""


@pytest.mark.parametrize("name", REFUSED)
def test_times_that_say_too_little_are_refused_with_the_place_and_the_reason(name, tmp_path):
    times, options, words = REFUSED[name]
    times = times()
    with pytest.raises(EdgernnError, match=words):
        read_data("series", series(tmp_path / "s.csv", times, range(len(times))), options)


@given(st.floats(1e-3, 1e8))
def test_a_duration_is_read_as_it_is_written(value):
    assert sampling.seconds(sampling.duration(value)) == pytest.approx(value, rel=1e-3)


CHANGE = Graph((Layer("c", Difference(1, Tensor(np.ones(1, np.float32)))),), 1, labels=("now", "+1"))
"""Foretells the last change; from rest that is 0, whatever the value."""
SMALL = AnomalyLikelihood(window=100, short=3, warm_up=20)


def nights(days=60):
    """The times of a logger that sleeps at night: ten minutes apart, from 8 to 18 o'clock."""
    return [BEGIN + timedelta(days=d, hours=8, minutes=10 * k) for d in range(days) for k in range(60)]


def test_a_model_watches_each_run_from_rest(tmp_path):
    values = np.random.default_rng(0).standard_normal(3600) + 1000
    path = series(tmp_path / "s.csv", nights(), values)
    edgernn.save(CHANGE, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    actual = detect_anomalies(program, path, rule=Rule(SMALL, false_alarms_per_week=50, rest_hours=0))
    days = values.astype(np.float32).reshape(60, 60)
    forecast = np.hstack([np.zeros((60, 1), np.float32), np.diff(days)])
    expected = anomaly_scores(forecast.ravel(), days.ravel(), SMALL, np.arange(60) * 60)
    assert (expected[::60] == 0).all()
    assert actual.alarms
    times = list(map(str, nights()))
    for alarm in actual.alarms:
        assert alarm.score == expected[times.index(alarm.time)]


def test_weeks_and_rests_are_those_of_the_timestamps(tmp_path):
    """Sixty days are eight and a half weeks, whatever the gaps; and a rest of a day ends on the next day."""
    values = np.zeros(3600)
    values[[60 * d + 30 for d in range(60)]] = 100  # at 13:00 every day
    path = series(tmp_path / "s.csv", nights(), values)
    edgernn.save(CHANGE, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    result = {
        rest: detect_anomalies(program, path, rule=Rule(SMALL, false_alarms_per_week=7, rest_hours=rest))
        for rest in (2, 20, 30)
    }
    parts = result[2].parts
    assert parts["training"].weeks == pytest.approx(48 / 7, abs=0.01)
    assert parts["training"].weeks + parts["test"].weeks == pytest.approx((59 * 24 + 10) / 168, abs=0.01)
    assert (result[2].gaps, result[2].gap_hours) == (59, 59 * 14.0)
    assert [len(each.alarms) for each in result.values()] == [60, 60, 30]
    printed = edge("anomalies", tmp_path / "m.rnn", "--data", path)
    assert "Gaps in time: 59, 34.42 d in total" in printed


def test_a_window_is_known_by_the_instant_or_by_the_wall(tmp_path):
    place = ZoneInfo("America/New_York")
    moments = half_hours("2024-11-01", 600)
    values = np.random.default_rng(0).standard_normal(600)
    edgernn.save(CHANGE, tmp_path / "m.rnn")
    program, rule = edgernn.open(tmp_path / "m.rnn"), Rule(SMALL, false_alarms_per_week=50, rest_hours=0)
    path = series(tmp_path / "s.csv", [moment.astimezone(place).isoformat() for moment in moments], values)
    window = moments[160], moments[200]  # after the clock was set back
    walls = tuple(end.astimezone(place).replace(tzinfo=None) for end in window)
    by_instant, by_wall = (
        detect_anomalies(program, path, [window], rule=rule),
        detect_anomalies(program, path, [walls], rule=rule),
    )
    assert by_instant == by_wall
    inside = {moment.astimezone(place).isoformat() for moment in moments[160:201]}
    assert any(alarm.known for alarm in by_instant.alarms)
    assert all(alarm.known == (alarm.time in inside) for alarm in by_instant.alarms)
    naive = series(tmp_path / "n.csv", spread(1800 * np.arange(600)), values)
    with pytest.raises(UsageError, match="have none; expected both with an offset"):
        detect_anomalies(program, naive, [window])


def test_a_model_of_other_rows_is_refused(tmp_path):
    path = series(tmp_path / "s.csv", spread(300 * np.arange(600)), np.random.default_rng(0).standard_normal(600))
    graph = Graph(CHANGE.layers, 1, labels=CHANGE.labels, period_ms=600_000.0)
    edgernn.save(graph, tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    with pytest.raises(UsageError, match=r"is 10 min, and that of '.*s\.csv' is 5 min"):
        detect_anomalies(program, path)
    assert detect_anomalies(program, path, resample="10min").parts["test"].weeks == pytest.approx(60 / 1008, abs=1e-3)
    irregular = series(tmp_path / "i.csv", spread(np.resize([1, 5, 30], 600).cumsum()), np.zeros(600))
    with pytest.raises(FileError, match="rows are not on time"):
        detect_anomalies(program, irregular)


def test_a_training_says_what_was_cut_and_no_change_is_foretold_as_within_the_days(tmp_path, caplog):
    """Each day climbs by 10 in a step, and falls back over the night."""
    series(tmp_path / "s.csv", nights(20), np.tile(480 + 10 * np.arange(60), 20))
    (tmp_path / "r.toml").write_text(
        'title = "t"\n[data]\nreader = "series"\n[model]\nhidden = 2\n[training]\nepochs = 1\n'
    )
    output = edge(
        "train", tmp_path / "r.toml", "--data", tmp_path / "s.csv", "--accelerator", "cpu", "--out", tmp_path / "run"
    )
    assert "persistence +1 10 on the test part" in output
    assert [note[:41] for note in caplog.messages] == ["Gaps in time: 19, 11.08 d in total, where"]
    document = json.loads((tmp_path / "run/metrics.json").read_text())
    assert document["notes"][0].startswith("Gaps in time: 19")
    assert "Gaps in time: 19" in (tmp_path / "run/report.html").read_text()
