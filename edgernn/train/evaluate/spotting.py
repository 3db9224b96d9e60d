"""Keyword spotting in a continuous stream: a long recording composed of clips, and the alarms of a detector in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.postprocess.keyword import Keyword, KeywordDetector, probability
from edgernn.runtime.parts import check_one
from edgernn.runtime.program import Program
from edgernn.train.data.background import check_levels, draw_noise, noise
from edgernn.train.data.features import in_hops


@dataclass(frozen=True)
class Scene:
    """How clips are composed to a recording.

    Attributes:
        gap_s: (shortest, longest) time between two clips.
        floor_db: the level of white noise in the whole recording, in decibels relative to full scale.
        noise_db: (lowest, highest) level of the noise in a noisy gap, of a colour between white and brown.
        noisy: the part of the gaps with noise; the others have only the floor.
        rounds: how often every clip occurs, in a new order each time.
        seed: the seed of all random numbers.

    Raises:
        UsageError: A range is invalid.
    """

    gap_s: tuple[float, float] = (0.6, 3.0)
    floor_db: float = -70.0
    noise_db: tuple[float, float] = (-60.0, -35.0)
    noisy: float = 0.5
    rounds: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_levels(self.noise_db, "noise_db")
        if not (0 <= self.gap_s[0] <= self.gap_s[1] and 0 <= self.noisy <= 1 and self.rounds >= 1):
            raise UsageError(
                f"got {self}; expected gaps of at least 0 s in order, noisy from 0 to 1, and at least one round"
            )


@dataclass(frozen=True)
class SpokenWord:
    """A word and its time in the recording, in seconds."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class LabelledStream:
    """A long recording with its labels: samples (n,) float32 from -1 to 1, and the words in order."""

    samples: Array
    rate_hz: int
    spoken: tuple[SpokenWord, ...]

    @property
    def hours(self) -> float:
        """The duration."""
        return len(self.samples) / self.rate_hz / 3600


def mix_clips(clips: Sequence[Array], labels: Sequence[str], rate_hz: int, scene: Scene) -> LabelledStream:
    """Concatenate clips (samples,) with silence and noise between them and a noise floor."""
    random = np.random.default_rng(scene.seed)
    parts: list[Array] = []
    spoken: list[SpokenWord] = []
    at = 0
    for _ in range(scene.rounds):
        for i in random.permutation(len(clips)):
            n = round(random.uniform(*scene.gap_s) * rate_hz)
            noisy = n > 1 and random.random() < scene.noisy
            gap = draw_noise(n, scene.noise_db, random) if noisy else np.zeros(n, np.float32)
            begin = at + n
            at = begin + len(clips[i])
            parts += [gap, clips[i]]
            spoken.append(SpokenWord(labels[i], begin / rate_hz, at / rate_hz))
    parts.append(np.zeros(round(scene.gap_s[1] * rate_hz), np.float32))  # time for the alarm of the last word
    samples = np.concatenate(parts)
    samples = np.clip(samples + noise(len(samples), 0.0, scene.floor_db, random), -1, 1)
    return LabelledStream(samples.astype(np.float32), rate_hz, tuple(spoken))


def word_probability(program: Program, stream: LabelledStream, word: str) -> Array:
    """The probability (steps,) of a word at every step of a recording, from one stream that is never reset.

    Raises:
        UsageError: The word is not a label of the model.
    """
    labels = program.manifest.labels
    check_one(program.manifest, program.name, "a keyword detector")
    if word not in labels:
        raise UsageError(f"'{program.name}' has no label '{word}'; {misspelt(word, labels)}")
    steps = in_hops(stream.samples, program.manifest.inputs)
    scores = program.stream().run(steps.reshape(len(steps) * program.manifest.frames_per_step, -1))
    return probability(scores, labels.index(word))


def moving_average(values: Array, window: int) -> Array:
    """The mean of the last `window` values at each step (steps,), as in `KeywordDetector`."""
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    first = np.maximum(np.arange(1, len(sums)) - window, 0)
    means: Array = (sums[1:] - sums[first]) / (np.arange(1, len(sums)) - first)
    return means


def trigger_steps(score: Array, threshold: float, refractory: int) -> list[int]:
    """The steps at which a `Trigger` raises an alarm, computed for all steps at once."""
    above = score >= threshold
    steps: list[int] = []
    for step in np.flatnonzero(above & ~np.concatenate([[False], above[:-1]])).tolist():
        if not steps or step - steps[-1] > refractory:
            steps.append(step)
    return steps


@dataclass(frozen=True)
class DetectionCounts:
    """The counts of spoken words, of those without an alarm, and of false alarms."""

    spoken: int
    missed: int
    false_alarms: int
    hours: float

    @property
    def miss_rate(self) -> float:
        """The part of the words without an alarm."""
        return self.missed / self.spoken if self.spoken else 0.0

    @property
    def false_alarms_per_hour(self) -> float:
        """False alarms per hour."""
        return self.false_alarms / self.hours


def count_detections(times_s: Iterable[float], stream: LabelledStream, word: str, late_s: float) -> DetectionCounts:
    """Compare alarms with the labels.

    The first alarm from the beginning of a word until `late_s` after its end is right; all other alarms are false.
    """
    times = np.sort(np.array(list(times_s), float))
    right = np.zeros(len(times), bool)
    spoken = [each for each in stream.spoken if each.label == word]
    missed = 0
    for each in spoken:
        within = np.flatnonzero((times >= each.start) & (times <= each.end + late_s) & ~right)
        missed += not within.size
        right[within[:1]] = True
    return DetectionCounts(len(spoken), missed, int((~right).sum()), stream.hours)


@dataclass(frozen=True)
class OperatingPoint:
    """A setting of the detector with its counts."""

    window: int
    threshold: float
    counts: DetectionCounts


_TRIED = np.concatenate([np.linspace(0.02, 0.9, 45), 1 - np.geomspace(0.09, 0.001, 25)])
THRESHOLDS = tuple(np.round(_TRIED, 4).tolist())


def operating_curve(
    share: Array, stream: LabelledStream, word: str, window: int, rest_s: float, late_s: float
) -> tuple[OperatingPoint, ...]:
    """The operating curve of a smoothing window: the counts for each of THRESHOLDS.

    Args:
        share: the probability of the word (steps,), from `word_probability`.
        stream, word: the recording, and the word to detect.
        window: the number of steps of the moving average.
        rest_s: the refractory time.
        late_s: the latest time of an alarm after the end of its word.
    """
    step_s = len(stream.samples) / stream.rate_hz / len(share)
    score = moving_average(share, window)
    triggered = ((threshold, trigger_steps(score, threshold, round(rest_s / step_s))) for threshold in THRESHOLDS)
    return tuple(
        OperatingPoint(window, threshold, count_detections([(k + 1) * step_s for k in at], stream, word, late_s))
        for threshold, at in triggered
    )


def choose_point(points: Iterable[OperatingPoint], max_per_hour: float) -> OperatingPoint:
    """The point with the fewest misses among those within a limit of false alarms; then with the fewest false alarms.

    Raises:
        UsageError: No point is within the limit.
    """
    every = list(points)
    allowed = [each for each in every if each.counts.false_alarms_per_hour <= max_per_hour]
    if not allowed:
        least = min(each.counts.false_alarms_per_hour for each in every)
        raise UsageError(f"at most {max_per_hour:g} false alarms per hour are allowed; the best point has {least:.2g}")
    return min(allowed, key=lambda each: (each.counts.missed, each.counts.false_alarms, -each.threshold))


def alarm_times(program: Program, recording: LabelledStream, keyword: Keyword) -> list[float]:
    """The times of a detector's alarms in seconds, step by step as on a device: one stream, never reset."""
    check_one(program.manifest, program.name, "a keyword detector")
    stream, detector = program.stream(), KeywordDetector(keyword)
    hop = program.manifest.inputs
    frames = in_hops(recording.samples, hop)
    return [(k + 1) * hop / recording.rate_hz for k, x in enumerate(frames) if detector.step(stream.step(x))]
