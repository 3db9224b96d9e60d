"""Anomalies: scores follow the definition, thresholds do not use the test part, and a known fault is detected."""

import json
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

import edgernn
from edge import called
from edgernn.cells import Scale, Slice
from edgernn.device.runtimes import suffixes
from edgernn.errors import FileError, FrameError, StateError, UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.postprocess.anomaly import AnomalyLikelihood, AnomalyScorer
from edgernn.postprocess.keyword import Trigger
from edgernn.train import recipe as recipes, run
from edgernn.train.evaluate.anomalies import Rule, alarm_steps, anomaly_scores, choose_threshold, detect_anomalies
from edgernn.train.evaluate.known import known_windows
from edgernn_export import export
from zoo import keyword_spotter

ONE = Tensor(np.ones(1, np.float32))
NOTHING_CHANGES = Graph((Layer("same", Scale(ONE, Tensor(np.zeros(1, np.float32)))),), 1, labels=("+1",))
SMALL = AnomalyLikelihood(window=40, short=4, warm_up=10)


@settings(max_examples=60, deadline=None)
@given(
    errors=st.lists(st.floats(0, 100), min_size=1, max_size=120),
    window=st.integers(3, 50),
    short=st.integers(1, 9),
    warm=st.integers(2, 50),
)
def test_the_score_is_the_definition_on_the_whole_past(errors, window, short, warm):
    """The oracle is scipy's normal tail over the last errors; the state has only what the definition needs."""
    short = min(short, window - 1)
    warm = min(max(warm, short + 1), window)
    scorer = AnomalyScorer(AnomalyLikelihood(window, short, warm))
    for t in range(1, len(errors) + 1):
        result = scorer.step(errors[t - 1], 0.0)
        usual, late = np.array(errors[:t])[-window:], np.array(errors[:t])[-short:]
        assert 0 <= result <= 1
        if t < warm:
            assert result == 0
        elif usual.std() > 1e-6 * usual.max():
            z = (late.mean() - usual.mean()) / usual.std()
            assert result == pytest.approx(1 - norm.sf(z), abs=1e-6)
        elif usual.std() == 0:
            assert result == 0.5


def test_errors_all_alike_are_as_usual():
    scorer = AnomalyScorer(SMALL)
    assert [scorer.step(0.1, 0.3) for _ in range(60)][10:] == [0.5] * 50


def test_the_scorer_remembers_what_its_state_says_and_no_more():
    random = np.random.default_rng(0)
    pairs = random.standard_normal((200, 2))
    whole, other = AnomalyScorer(SMALL), AnomalyScorer(SMALL)
    expected = [whole.step(*pair) for pair in pairs]
    for pair in pairs[:130]:
        other.step(*pair)
    saved = other.state
    assert saved.shape == (40,)
    np.testing.assert_array_equal(saved, np.abs(pairs[90:130, 0] - pairs[90:130, 1]))
    for resumed in (other, AnomalyScorer(SMALL)):
        resumed.reset()
        resumed.state = saved
        np.testing.assert_allclose([resumed.step(*pair) for pair in pairs[130:]], expected[130:], rtol=1e-12)
    other.reset()
    assert [other.step(*pair) for pair in pairs] == expected


@pytest.mark.parametrize("pair", [(np.nan, 1.0), (1.0, np.inf)])
def test_what_is_no_number_is_refused_and_leaves_no_trace(pair):
    scorer = AnomalyScorer(SMALL)
    scorer.step(1.0, 2.0)
    with pytest.raises(FrameError, match="expected finite numbers"):
        scorer.step(*pair)
    assert scorer.state.tolist() == [1.0]


@pytest.mark.parametrize(
    "state", [np.zeros(41), np.zeros(3, np.float32), np.array([1.0, np.nan]), np.array([-1.0]), [1.0], np.zeros((2, 2))]
)
def test_a_state_of_another_kind_is_refused(state):
    with pytest.raises(StateError, match="expected at most 40 errors"):
        AnomalyScorer(SMALL).state = state


@pytest.mark.parametrize("numbers", [(10, 10, 10), (10, 0, 5), (10, 3, 3), (10, 3, 11)])
def test_settings_of_a_score_that_do_not_fit_are_refused(numbers):
    with pytest.raises(UsageError, match="expected 1 <= short < warm_up <= window"):
        AnomalyLikelihood(*numbers)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 99), rest=st.integers(0, 20), most=st.floats(0, 9))
def test_the_threshold_keeps_to_its_false_alarms(seed, rest, most):
    random = np.random.default_rng(seed)
    scores, known, elapsed = random.random(300), random.random(300) < 0.2, random.random(300).cumsum()
    threshold = choose_threshold(scores, known, elapsed, rest, most)
    assert sum(not known[k] for k in alarm_steps(scores, threshold, elapsed, rest)) <= most
    assert threshold > scores.max() or threshold in scores


@given(
    scores=st.lists(st.sampled_from([0.0, 0.4, 0.5, 0.9]), min_size=1, max_size=60),
    rest=st.integers(0, 9),
    interval=st.sampled_from([1.0, 300.0]),
)
def test_alarms_of_a_series_without_gaps_are_those_of_the_trigger(scores, rest, interval):
    trigger = Trigger(0.5, rest)
    expected = [k for k, score in enumerate(scores) if trigger.step(score)]
    elapsed = np.arange(len(scores)) * interval
    assert alarm_steps(np.array(scores), 0.5, elapsed, rest * interval) == expected


START = datetime.fromisoformat("2024-01-01")


def series(path, values):
    times = [START + timedelta(minutes=10 * k) for k in range(len(values))]
    path.write_text("timestamp,value\n" + "".join(f"{t},{v}\n" for t, v in zip(times, values, strict=True)))
    return path


def moment(k):
    return START + timedelta(minutes=10 * k)


def at(k):
    return str(moment(k))


def walk(faults=(), n=4000):
    """A random walk of small steps, with large ones at the faults."""
    steps = np.random.default_rng(1).standard_normal(n) * 0.1
    for fault in faults:
        steps[fault : fault + 15] *= 20
    return 50 + steps.cumsum()


@pytest.fixture
def persistent(tmp_path):
    edgernn.save(NOTHING_CHANGES, tmp_path / "same.rnn")
    return edgernn.open(tmp_path / "same.rnn")


def test_a_known_fault_is_found_and_its_time_is_told(persistent, tmp_path):
    path = series(tmp_path / "s.csv", walk([1500, 3600]))
    windows = [(moment(k - 100), moment(k + 100)) for k in (1500, 3600)]
    result = detect_anomalies(
        persistent, path, windows, rule=Rule(AnomalyLikelihood(1000, 10, 200), false_alarms_per_week=0.0)
    )
    right = [alarm for alarm in result.alarms if alarm.known]
    assert [alarm.part for alarm in right] == ["training", "test"]
    for alarm, fault in zip(right, (1500, 3600), strict=True):
        assert at(fault) <= alarm.time <= at(fault + 10)
    for part, weeks, false in (("training", 3200, 0), ("test", 800, len(result.alarms) - 2)):
        figures = result.parts[part]
        assert (figures.windows, figures.detected, figures.false_alarms) == (1, 1, false)
        assert figures.weeks == pytest.approx(weeks / 1008, abs=1e-3)
        assert -2 < figures.lead_hours[0] <= 0


def test_the_threshold_learns_nothing_from_the_test_part(persistent, tmp_path):
    rule = Rule(AnomalyLikelihood(1000, 10, 200), false_alarms_per_week=0.5)
    calm = detect_anomalies(persistent, series(tmp_path / "a.csv", walk([1500])), rule=rule)
    wild = detect_anomalies(persistent, series(tmp_path / "b.csv", walk([1500, 3300, 3600, 3900])), rule=rule)
    assert calm.threshold == wild.threshold
    assert calm.parts["training"] == wild.parts["training"]
    assert wild.parts["test"].false_alarms > calm.parts["test"].false_alarms
    assert calm.parts["training"].false_alarms <= 0.5 * calm.parts["training"].weeks


@pytest.mark.parametrize("suffix", suffixes())
def test_every_runtime_raises_the_same_alarms(suffix, tmp_path):
    path = series(tmp_path / "s.csv", walk([1500, 3600], 4000))
    edgernn.save(NOTHING_CHANGES, tmp_path / "m.rnn")
    if suffix != ".rnn":
        export(NOTHING_CHANGES, tmp_path / f"m{suffix}")
    one, other = (detect_anomalies(edgernn.open(tmp_path / f"m{each}"), path) for each in (".rnn", suffix))
    assert one == other


def test_a_model_of_values_and_calendar_is_shown_both(tmp_path):
    """A model whose output is the sine of the time of day, for values that are that sine."""
    graph = Graph((Layer("sine", Slice(5, 1, 2)),), 5, labels=("+1",))
    edgernn.save(graph, tmp_path / "m.rnn")
    sines = np.sin(2 * np.pi * (np.arange(1000) - 1) / 144)
    path = series(tmp_path / "s.csv", sines)
    program = edgernn.open(tmp_path / "m.rnn")
    result = detect_anomalies(program, path, rule=Rule(SMALL, false_alarms_per_week=1.0))
    assert result.parts["test"].weeks == pytest.approx(200 / 1008, abs=1e-3)
    assert anomaly_scores(sines, np.append(0, sines[:-1]), SMALL).max() == 0.5  # a forecast without error


WINDOWS = {"realKnownCause/s.csv": [["2024-01-01 00:00:00.000000", "2024-01-02 00:00:00.000000"]]}
WRONG = {
    "another model": (lambda p: (keyword_spotter(), {}), UsageError, "has 10 inputs and the outputs word0, .*; expected a forecasting model"),
    "no times": (lambda p: (NOTHING_CHANGES, {"time": ""}), UsageError, "no column of times"),
    "no column": (lambda p: (NOTHING_CHANGES, {"value": "valeu"}), UsageError, r"no column 'valeu'; did you mean 'value'\?"),
    "no windows of it": (lambda p: known_windows(windows_file(p, {"a/r.csv": []}), p / "s.csv"), FileError, r"no windows of 's.csv'; did you mean 'r.csv'\?"),
    "no windows": (lambda p: known_windows(windows_file(p, [1, 2]), p / "s.csv"), FileError, "is not a list of windows"),
    "windows without times": (lambda p: known_windows(windows_file(p, {"s.csv": [["today", "tomorrow"]]}), p / "s.csv"), FileError, "is not a list of windows: Invalid isoformat"),
    "half a window": (lambda p: known_windows(windows_file(p, {"s.csv": [["2024-01-01"]]}), p / "s.csv"), FileError, "is not a list of windows"),
    "no JSON": (lambda p: known_windows(series(p / "s.csv", [1, 2]), p / "s.csv"), FileError, "is not a list of windows"),
    "a negative rule": (lambda p: Rule(false_alarms_per_week=-1.0), UsageError, "expected at least 0"),
}  # fmt: skip


def windows_file(folder, content):
    (folder / "windows.json").write_text(json.dumps(content))
    return folder / "windows.json"


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_watched_is_refused_in_words(name, tmp_path):
    make, error, words = WRONG[name]
    series(tmp_path / "s.csv", walk(n=500))

    def watched():
        graph, options = make(tmp_path)
        edgernn.save(graph, tmp_path / "m.rnn")
        detect_anomalies(edgernn.open(tmp_path / "m.rnn"), tmp_path / "s.csv", **options)

    with pytest.raises(error, match=words):
        watched()


def test_the_verb_prints_alarms_with_their_times(persistent, tmp_path):
    path = series(tmp_path / "s.csv", walk([1500, 3600]))
    windows = windows_file(tmp_path, {"x/s.csv": [[at(1400), at(1600)], [at(3500), at(3700)]]})
    options = ("anomalies", persistent.name, "--data", path, "--windows", windows, "--alarms-per-week", 0)
    code, printed, complaint = called(*options)
    assert (code, complaint) == (0, "")
    document = json.loads(called(*options, "--json")[1])
    assert document == json.loads(
        json.dumps(
            detect_anomalies(
                persistent, path, known_windows(windows, path), rule=Rule(false_alarms_per_week=0.0)
            ).to_dict()
        )
    )
    lines = printed.splitlines()
    assert [line[:19] for line in lines[:-3]] == [alarm["time"] for alarm in document["alarms"]]
    assert "training: 3.2 weeks, 1 of 1 windows detected, 0 false alarms" in lines[-2]
    assert lines[-1].startswith("test: 0.8 weeks, 1 of 1 windows detected")


@pytest.mark.slow
def test_the_temperature_of_a_machine_is_foretold_better_than_by_no_change(data, tmp_path):
    """Its failure, which lies in the test part, is detected."""
    path = data / "nab/data/realKnownCause/machine_temperature_system_failure.csv"
    result = run.train(recipes.load("machine-temperature"), path, tmp_path / "run")
    assert result.metrics["rmse +1"] <= 0.95 * result.metrics["persistence +1"]
    program = edgernn.open(tmp_path / "run/model.rnn")
    actual = detect_anomalies(program, path, known_windows(data / "nab/labels/combined_windows.json", path))
    test = actual.parts["test"]
    assert (test.windows, test.detected) == (1, 1)
    assert test.false_alarms_per_week <= 2
    assert actual.parts["training"].false_alarms_per_week <= 1
