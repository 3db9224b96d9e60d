"""Keyword spotting in a continuous recording: its labels are right, and the counts are those of a device."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.signal import welch

import edgernn
from edgernn.cells import Dense, LogMagnitude
from edgernn.device.runtimes import suffixes
from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn.postprocess.keyword import Keyword, Trigger
from edgernn.train import recipe as recipes, run
from edgernn.train.data.background import SILENCE, draw_noise, noise
from edgernn.train.data.wav import samples
from edgernn.train.evaluate.spotting import (
    THRESHOLDS,
    DetectionCounts,
    LabelledStream,
    OperatingPoint,
    Scene,
    SpokenWord,
    alarm_times,
    choose_point,
    count_detections,
    mix_clips,
    moving_average,
    operating_curve,
    trigger_steps,
    word_probability,
)
from edgernn_export import export

RATE_HZ, HOP = 8000, 80


def level_db(samples):
    return 20 * np.log10(np.sqrt(np.mean(np.square(samples, dtype=float))))


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("level", [-70.0, -20.0])
def test_noise_has_the_colour_and_level_that_it_says(slope, level):
    result = noise(1 << 17, slope, level, np.random.default_rng(0))
    assert level_db(result) == pytest.approx(level, abs=0.01)
    hz, power = welch(result.astype(float), fs=1.0, nperseg=4096)
    within = (hz > 0.005) & (hz < 0.4)
    assert np.polyfit(np.log(hz[within]), np.log(power[within]), 1)[0] == pytest.approx(-slope, abs=0.06)


def clips():
    """Loud and soft words: tones of a fifth of a second and more."""
    return [
        ((0.5 if k % 3 == 0 else 0.02) * np.sin(np.arange(1600 + 80 * k) * 0.3)).astype(np.float32) for k in range(9)
    ], ["loud" if k % 3 == 0 else "soft" for k in range(9)]


def test_a_recording_has_every_clip_where_its_truth_says():
    sounds, labels = clips()
    scene = Scene(gap_s=(0.3, 0.9), floor_db=-60.0, noise_db=(-40.0, -30.0), noisy=0.4, rounds=3, seed=5)
    result = mix_clips(sounds, labels, RATE_HZ, scene)
    lengths = sorted(len(sound) / RATE_HZ for sound in sounds * 3)
    assert sorted(each.end - each.start for each in result.spoken) == pytest.approx(lengths)
    before, levels = 0.0, []
    for word in result.spoken:
        start, end = round(word.start * RATE_HZ), round(word.end * RATE_HZ)
        sound = next(each for each in sounds if len(each) == end - start)
        assert labels[[len(each) for each in sounds].index(end - start)] == word.label
        assert level_db(result.samples[start:end] - sound) == pytest.approx(-60, abs=0.5)  # the floor, and nothing else
        assert 0.3 - 1e-3 <= word.start - before <= 0.9 + 1e-3
        levels.append(level_db(result.samples[round(before * RATE_HZ) : start]))
        before = word.end
    quiet = np.array(levels) < -59
    np.testing.assert_allclose(np.array(levels)[quiet], -60, atol=0.5)
    assert ((np.array(levels)[~quiet] > -40.5) & (np.array(levels)[~quiet] < -29.5)).all()
    assert 0 < quiet.sum() < len(levels)
    assert result.hours == len(result.samples) / RATE_HZ / 3600
    again, other = (mix_clips(sounds, labels, RATE_HZ, Scene(rounds=3, seed=seed)) for seed in (0, 1))
    assert again.spoken != other.spoken
    np.testing.assert_array_equal(again.samples, mix_clips(sounds, labels, RATE_HZ, Scene(rounds=3, seed=0)).samples)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 999), threshold=st.floats(0.1, 0.9), refractory=st.integers(0, 9), window=st.integers(1, 9))
def test_all_alarms_at_once_are_those_of_a_trigger(seed, threshold, refractory, window):
    share = np.random.default_rng(seed).random(120)
    score = moving_average(share, window)
    brute = [share[max(0, t + 1 - window) : t + 1].mean() for t in range(120)]
    np.testing.assert_allclose(score, brute, atol=1e-12)
    trigger = Trigger(threshold, refractory)
    assert trigger_steps(score, threshold, refractory) == [t for t in range(120) if trigger.step(score[t])]


TRUTH = (SpokenWord("yes", 1.0, 1.5), SpokenWord("no", 3.0, 3.5), SpokenWord("yes", 5.0, 5.5))
JUDGED = {
    "all heard": ([1.2, 5.9], (2, 0, 0)),
    "late": ([1.9, 5.2], (2, 0, 0)),
    "too late": ([2.1, 5.2], (2, 1, 1)),
    "twice": ([1.2, 1.4, 5.2], (2, 0, 1)),
    "another word": ([3.2], (2, 2, 1)),
    "nothing": ([], (2, 2, 0)),
    "in any order": ([5.2, 1.2], (2, 0, 0)),
}


@pytest.mark.parametrize("name", JUDGED)
def test_an_alarm_is_right_from_the_word_until_a_little_after(name):
    times, expected = JUDGED[name]
    result = LabelledStream(np.zeros(8 * RATE_HZ, np.float32), RATE_HZ, TRUTH)
    actual = count_detections(times, result, "yes", late_s=0.5)
    assert (actual.spoken, actual.missed, actual.false_alarms) == expected
    assert actual.false_alarms_per_hour == pytest.approx(expected[2] * 450)
    assert actual.miss_rate == expected[1] / 2


def test_one_alarm_does_not_answer_two_words():
    result = LabelledStream(
        np.zeros(8 * RATE_HZ, np.float32), RATE_HZ, (SpokenWord("yes", 1.0, 1.5), SpokenWord("yes", 1.7, 2.2))
    )
    assert count_detections([1.8], result, "yes", late_s=0.5).missed == 1
    assert count_detections([1.8, 2.3], result, "yes", late_s=0.5).missed == 0


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20), most=st.integers(0, 9)
)
def test_the_point_chosen_has_the_fewest_misses_that_the_false_alarms_allow(counts, most):
    points = [
        OperatingPoint(1, 0.01 * k, DetectionCounts(9, missed, false, 2.0)) for k, (missed, false) in enumerate(counts)
    ]
    allowed = [(missed, false) for missed, false in counts if false / 2 <= most]
    if not allowed:
        with pytest.raises(UsageError, match=f"at most {most} false alarms per hour are allowed; the best point has"):
            choose_point(points, most)
        return
    result = choose_point(points, most).counts
    assert (result.missed, result.false_alarms) == min(allowed)


def listener() -> Graph:
    """A model that detects a loud sound, a soft sound or silence by power."""
    weights = np.array([[1.0], [0.0], [-1.0]], np.float32)
    layers = (
        Layer("power", LogMagnitude(HOP, 1e-6)),
        Layer("scores", Dense(Tensor(4 * weights), Tensor(np.array([0.0, -8.0, -40.0], np.float32)))),
    )
    return Graph(layers, HOP, period_ms=10.0, labels=("loud", "soft", SILENCE))


@pytest.mark.parametrize("suffix", suffixes())
def test_the_curve_counts_what_a_device_raises(suffix, tmp_path):
    """Every count of the curve equals that of a detector that steps through the recording, on every runtime."""
    edgernn.save(listener(), tmp_path / "m.rnn")
    if suffix != ".rnn":
        export(listener(), tmp_path / f"m{suffix}")
    program = edgernn.open(tmp_path / f"m{suffix}")
    result = mix_clips(*clips(), RATE_HZ, Scene(rounds=2, seed=3))
    points = operating_curve(
        word_probability(program, result, "loud"), result, "loud", window=8, rest_s=0.5, late_s=0.3
    )
    assert [each.threshold for each in points] == list(THRESHOLDS)
    for point in points[::23]:
        keyword = Keyword(0, 8, point.threshold, refractory=50)
        assert count_detections(alarm_times(program, result, keyword), result, "loud", late_s=0.3) == point.counts
    best = choose_point(points, 0.0)
    assert (best.counts.spoken, best.counts.missed) == (6, 0)


def test_a_setting_chosen_on_one_recording_holds_on_another(tmp_path):
    """Separable words are separated, in noise and order that were not used for the choice."""
    edgernn.save(listener(), tmp_path / "m.rnn")
    program = edgernn.open(tmp_path / "m.rnn")
    first, second = (mix_clips(*clips(), RATE_HZ, Scene(rounds=2, seed=seed)) for seed in (0, 1))
    share = word_probability(program, first, "loud")
    best = choose_point(
        (point for window in (1, 4, 8) for point in operating_curve(share, first, "loud", window, 0.5, 0.3)), 0.0
    )
    keyword = Keyword(0, best.window, best.threshold, 50)
    outcome = count_detections(alarm_times(program, second, keyword), second, "loud", 0.3)
    assert (outcome.spoken, outcome.missed, outcome.false_alarms) == (6, 0, 0)


def test_what_cannot_be_mixed_or_heard_is_refused(tmp_path):
    for options in ({"gap_s": (2.0, 1.0)}, {"noisy": 1.5}, {"rounds": 0}):
        with pytest.raises(UsageError, match="expected gaps of at least 0 s"):
            Scene(**options)
    with pytest.raises(UsageError, match=r"noise_db is \[-10, -20\]; expected \[lowest, highest\]"):
        Scene(noise_db=(-10, -20))
    edgernn.save(listener(), tmp_path / "m.rnn")
    result = mix_clips(*clips(), RATE_HZ, Scene())
    with pytest.raises(UsageError, match=r"has no label 'lout'; did you mean 'loud'\?"):
        word_probability(edgernn.open(tmp_path / "m.rnn"), result, "lout")


def test_noise_is_drawn_within_its_levels():
    random = np.random.default_rng(0)
    levels = [level_db(draw_noise(4000, (-50.0, -30.0), random)) for _ in range(50)]
    assert -50.01 <= min(levels) < -45 < -35 < max(levels) <= -29.99


@pytest.mark.slow
def test_a_model_taught_from_rest_alone_is_lost_in_a_stream(data, tmp_path):
    """Two speakers, few epochs: the recipe with silence and carried states, compared with a training without them."""
    for path in (data / "fsdd/recordings").glob("*_[jt]*_*.wav"):
        (tmp_path / "clips").mkdir(exist_ok=True)
        (tmp_path / "clips" / path.name).symlink_to(path)
    held = [path for path in sorted((tmp_path / "clips").iterdir()) if int(path.stem.split("_")[2]) < 5]
    result = mix_clips([samples(each)[0] for each in held], [each.name[0] for each in held], RATE_HZ, Scene(seed=4))
    missed = {}
    for name, settings_ in (("rest", ["data.silence=0.0", "training.carry=0.0"]), ("stream", [])):
        loaded = recipes.load("spoken-stream", ["training.epochs=8", "augment.speed=0.0", *settings_])
        run.train(loaded, tmp_path / "clips", tmp_path / name)
        export(edgernn.load(tmp_path / name / "model.rnn"), tmp_path / f"{name}.so")
        program = edgernn.open(tmp_path / f"{name}.so")
        best = [
            choose_point(
                operating_curve(word_probability(program, result, word), result, word, 20, 0.5, 0.5), 20.0
            ).counts.missed
            for word in "0123456789"
        ]
        missed[name] = sum(best)
    print(missed)
    assert missed["stream"] < 0.6 * missed["rest"]
