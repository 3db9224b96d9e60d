"""A trained model is set against answers that need no model, on the same steps."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.evaluate.baseline import BASELINES, CLOSE, Comparison
from edgernn.train.evaluate.metrics import evaluate

HOUR_MS = 3600_000.0


def hourly(lengths, horizon, random):
    """A series of hours in sequences of these lengths, with its value `horizon` hours ahead as the target."""
    frames = tuple(random.standard_normal((n, 1)).astype(np.float32) for n in lengths)
    targets = tuple(np.roll(each, -horizon, axis=0) for each in frames)
    part = Sequences(frames, targets, tuple(map(str, lengths)))
    return Data(part, part, "series", 1, 1, (f"+{horizon}",), period_ms=HOUR_MS)


@given(st.lists(st.integers(20, 60), min_size=1, max_size=4), st.integers(1, 23), st.integers(0, 9))
def test_persistence_and_the_day_before_are_those_of_a_loop_over_the_series(lengths, horizon, seed):
    random = np.random.default_rng(seed)
    data = hourly(lengths, horizon, random)
    outputs = {len(each): random.standard_normal((len(each), 1)).astype(np.float32) for each in data.test.frames}
    result = evaluate(lambda frames: outputs[len(frames)], data, data.test)
    errors, unchanged, ours, day = [], [], [], []
    for frames, targets in zip(data.test.frames, data.test.targets, strict=True):
        for t in range(len(frames)):
            forecast, truth = float(outputs[len(frames)][t, 0]), float(targets[t, 0])
            errors.append(forecast - truth)
            unchanged.append(float(frames[t, 0]) - truth)
            if t + horizon - 24 >= 0:
                ours.append(forecast - truth)
                day.append(float(frames[t + horizon - 24, 0]) - truth)
    expected = {"persistence": (errors, unchanged), **({"yesterday": (ours, day)} if day else {})}
    assert {each.baseline for each in result.comparisons} == {*expected}
    for each in result.comparisons:
        rmse = [np.sqrt(np.mean(np.square(part))) for part in expected[each.baseline]]
        assert [each.error, each.other] == pytest.approx(rmse, rel=1e-6)


@pytest.mark.parametrize("period_ms", [None, 7 * 60_000.0, 24 * HOUR_MS, 48 * HOUR_MS])
def test_there_is_no_day_before_where_a_day_is_no_whole_number_of_steps_back(period_ms):
    part = Sequences((np.zeros((300, 1), np.float32),), (np.ones((300, 1), np.float32),), ("a",))
    data = Data(part, part, "series", 1, 1, ("+1",), period_ms=period_ms)
    result = evaluate(lambda frames: frames, data, part)
    assert [each.baseline for each in result.comparisons] == ["persistence"]


def test_the_most_frequent_class_is_that_of_the_training_part():
    frames = tuple(np.zeros((3, 1), np.float32) for _ in range(6))
    train = Sequences(frames, np.array([0, 1, 1, 1, 2, 2]), tuple("abcdef"))
    test = Sequences(frames, np.array([0, 0, 0, 1, 1, 2]), tuple("abcdef"))
    data = Data(train, test, "class", 1, 3)
    (each,) = evaluate(lambda _: np.eye(3)[[0]], data, test).comparisons
    assert (each.metric, each.baseline) == ("accuracy", "majority")
    assert each.error == pytest.approx(1 - 3 / 6)
    assert each.other == pytest.approx(1 - 2 / 6)


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_worse_model_gets_advice_and_a_better_one_none(baseline):
    def sentence(error):
        return Comparison("rmse", baseline, error, 1.0).sentence

    advice = BASELINES[baseline].advice
    assert "The model is worse by a factor of 4.4." in sentence(4.44)
    assert sentence(4.44).endswith(f"Try {advice}.")
    assert "hardly better" in sentence(1 - CLOSE / 2)
    assert advice in sentence(1 - CLOSE / 2)
    assert "hardly better" in sentence(1.0)
    assert sentence(0.5).endswith("error is 0.50 of that.")


def test_accuracies_are_shown_as_parts():
    text = Comparison("accuracy digit", "majority", 0.9, 0.8).sentence
    assert text.startswith(
        "accuracy digit: 10.00%; always answering the most frequent class: 20.00%. The model is worse."
    )


def test_a_baseline_without_errors_is_worse_than_no_model_that_has_none_either():
    assert Comparison("rmse", "persistence", 0.0, 0.0).ratio == 1
    assert Comparison("rmse", "persistence", 0.1, 0.0).ratio == np.inf
