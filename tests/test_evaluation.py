"""Evaluation: every metric by its definition in numpy, on synthetic outputs."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import log_softmax

from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.evaluate.metrics import METRICS, evaluate

random = np.random.default_rng(3)


def sequences(frames, targets):
    return Sequences(tuple(frames), targets, tuple(map(str, range(len(frames)))))


def given_by(answers):
    """A model with fixed outputs."""
    left = iter(answers)
    return lambda _frames: next(left)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), classes=st.integers(2, 5), seed=st.integers(0, 99))
def test_a_class_is_the_largest_score_after_the_last_frame(n, classes, seed):
    chance = np.random.default_rng(seed)
    frames = [np.zeros((chance.integers(1, 5), 2), np.float32) for _ in range(n)]
    every = sequences([np.zeros((1, 2), np.float32)] * classes, np.arange(classes))
    part = sequences(frames, chance.integers(0, classes, n))
    answers = [chance.standard_normal((len(each), classes)).astype(np.float32) for each in frames]
    verdict = evaluate(given_by(answers), Data(every, part, "class", 2, classes), part)
    given_classes = np.array([each[-1].argmax() for each in answers])
    assert verdict.metrics["accuracy"] == pytest.approx(np.mean(given_classes == part.targets), abs=1e-4)
    expected = np.zeros((classes, classes), int)
    np.add.at(expected, (part.targets, given_classes), 1)
    np.testing.assert_array_equal(verdict.confusions[""], expected)
    assert next(iter(verdict.metrics)) == METRICS["class"][0]


def test_symbols_are_judged_at_every_step():
    symbols, lengths = ("?", "a", "b"), (7, 4)
    targets = tuple(random.integers(0, 3, n) for n in lengths)
    part = sequences([random.integers(0, 3, (n, 1)).astype(np.int32) for n in lengths], targets)
    answers = [random.standard_normal((n, 3)).astype(np.float32) for n in lengths]
    metrics = evaluate(given_by(answers), Data(part, part, "text", 1, 3, symbols, symbols), part).metrics
    scores, expected = np.concatenate(answers), np.concatenate(targets)
    logs = log_softmax(scores.astype(float), axis=-1)[np.arange(11), expected]
    assert metrics["nats"] == pytest.approx(-logs.mean(), abs=1e-4)
    assert metrics["accuracy"] == pytest.approx(np.mean(scores.argmax(-1) == expected), abs=1e-4)
    counts = 1 + np.bincount(expected, minlength=3)
    assert metrics["unigram"] == pytest.approx(-np.log(counts / counts.sum())[expected].mean(), abs=1e-4)


@pytest.mark.parametrize("relative", [False, True])
def test_a_forecast_is_judged_in_the_units_of_the_data(relative):
    mean, deviation = np.array([10, 20], np.float32), np.array([2, 3], np.float32)
    frames = [random.standard_normal((n, 1)).astype(np.float32) for n in (6, 9)]
    targets = tuple(random.standard_normal((len(each), 2)).astype(np.float32) for each in frames)
    part = sequences(frames, targets)
    data = Data(part, part, "series", 1, 2, ("+1", "+2"), mean=mean, deviation=deviation, relative=relative)
    answers = [random.standard_normal((len(each), 2)).astype(np.float32) + 15 for each in frames]
    verdict = evaluate(given_by(answers), data, part)
    now, message = np.concatenate(frames), np.concatenate(answers)
    truth = np.concatenate(targets) * deviation + mean + (now if relative else 0)
    for k, label in enumerate(data.labels):
        for name, off in (("rmse", message - truth), ("persistence", now - truth)):
            assert verdict.metrics[f"{name} {label}"] == pytest.approx(np.sqrt(np.mean(off[:, k] ** 2)), rel=1e-4)
        assert verdict.metrics[f"mae {label}"] == pytest.approx(np.abs(message - truth)[:, k].mean(), rel=1e-4)
    np.testing.assert_allclose(verdict.series[0], truth, rtol=1e-5)
