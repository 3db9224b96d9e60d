"""The keyword detector: its average, its alarms, and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import softmax

from edgernn.errors import FrameError, UsageError
from edgernn.postprocess.keyword import Keyword, KeywordDetector, Trigger, probability


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 99),
    window=st.integers(1, 12),
    threshold=st.floats(0.05, 1),
    refractory=st.integers(0, 9),
)
def test_an_alarm_is_a_rise_of_the_average_after_a_rest(seed, window, threshold, refractory):
    """Against the definition, written over the whole past."""
    scores = 3 * np.random.default_rng(seed).standard_normal((80, 3)).astype(np.float32)
    detector = KeywordDetector(Keyword(1, window, threshold, refractory))
    share = softmax(scores.astype(float), axis=-1)[:, 1]
    averages, alarms = [], []
    for t in range(80):
        result = detector.step(scores[t])
        average = share[max(0, t + 1 - window) : t + 1].mean()
        assert detector.score == pytest.approx(average, abs=1e-12)
        averages.append(detector.score)
        rise = averages[t] >= threshold and (t == 0 or averages[t - 1] < threshold)
        rested = not alarms or t - alarms[-1] > refractory
        assert result == (rise and rested)
        alarms += [t] * result


def test_a_score_that_stays_up_is_one_alarm():
    trigger = Trigger(0.5, 3)
    assert [trigger.step(score) for score in [0.1, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9]] == [False, True, *[False] * 5]
    assert [trigger.step(score) for score in [0.1, 0.6, 0.1, 0.6, 0.1, 0.1, 0.6]] == [False, True, *[False] * 4, True]


def test_reset_forgets_all():
    detector = KeywordDetector(Keyword(0, 4, 0.6, 50))
    loud, quiet = np.array([9.0, 0.0], np.float32), np.array([0.0, 9.0], np.float32)
    first = [detector.step(x) for x in (quiet, loud, loud, loud, loud, quiet, loud)]
    assert any(first)
    detector.reset()
    assert detector.score == 0
    assert [detector.step(x) for x in (quiet, loud, loud, loud, loud, quiet, loud)] == first


BAD = [np.zeros(1), np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.float32(1.0)]


@pytest.mark.parametrize("scores", BAD, ids=str)
def test_scores_that_are_none_are_refused_and_leave_no_trace(scores):
    detector = KeywordDetector(Keyword(1, 2, 0.5, 0))
    detector.step(np.array([0.0, 3.0]))
    before = detector.score
    with pytest.raises(FrameError, match="expected finite numbers, at least 2 per step"):
        detector.step(scores)
    assert detector.score == before


def test_scores_of_any_size_have_a_probability():
    scores = np.array([[1e4, 0.0], [-1e30, 1e30], [0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(probability(scores, 0), [1, 0, 0.5])


@pytest.mark.parametrize("numbers", [(-1, 1, 0.5, 0), (0, 0, 0.5, 0), (0, 1, 0.0, 0), (0, 1, 1.5, 0), (0, 1, 0.5, -1), (0, 1, float("nan"), 0)])  # fmt: skip
def test_a_keyword_that_cannot_be_listened_for_is_refused(numbers):
    with pytest.raises(UsageError, match="expected output >= 0"):
        Keyword(*numbers)
