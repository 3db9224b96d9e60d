"""One keyword in a stream that never rests: a long recording made of clips, and what a detector finds in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.postprocess.keyword import Keyword, KeywordDetector, probability
from edgernn.runtime.program import Program
from edgernn.train.data.background import check_levels, drawn, noise
from edgernn.train.data.features import in_hops

Array = NDArray[Any]


@dataclass(frozen=True)
class Scene:
    """How clips become a recording.

    Attributes:
        gap_s: (shortest, longest) time between two clips.
        floor_db: white noise under everything, clips too, in decibels below the full scale.
        noise_db: (lowest, highest) level of the noise in a gap that has some, of a colour between white and brown.
        noisy: the part of the gaps that have noise; nothing but the floor is in the others.
        rounds: how often every clip is met, each time in another order.
        seed: of everything that is drawn.

    Raises:
        UsageError: a range that is none.
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
            raise UsageError(f"{self} arrived; expected gaps of at least 0 s, a part of them noisy, and a round")


@dataclass(frozen=True)
class Spoken:
    """A word and when it is said, in seconds from the beginning."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Recording:
    """A long recording with its truth: samples (n,) float32 from -1 to 1, and each word in order."""

    samples: Array
    rate_hz: int
    spoken: tuple[Spoken, ...]

    @property
    def hours(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate_hz / 3600


def mixed(clips: Sequence[Array], labels: Sequence[str], rate_hz: int, scene: Scene) -> Recording:
    """All clips (samples,) one after another, with silence and noise between them and a floor under all."""
    random = np.random.default_rng(scene.seed)
    parts: list[Array] = []
    spoken: list[Spoken] = []
    at = 0
    for _ in range(scene.rounds):
        for i in random.permutation(len(clips)):
            n = round(random.uniform(*scene.gap_s) * rate_hz)
            noisy = n > 1 and random.random() < scene.noisy
            gap = drawn(n, scene.noise_db, random) if noisy else np.zeros(n, np.float32)
            begin = at + n
            at = begin + len(clips[i])
            parts += [gap, clips[i]]
            spoken.append(Spoken(labels[i], begin / rate_hz, at / rate_hz))
    parts.append(np.zeros(round(scene.gap_s[1] * rate_hz), np.float32))  # the last word is answered too
    samples = np.concatenate(parts)
    samples = np.clip(samples + noise(len(samples), 0.0, scene.floor_db, random), -1, 1)
    return Recording(samples.astype(np.float32), rate_hz, tuple(spoken))


def heard(program: Program, recording: Recording, word: str) -> Array:
    """The probability (steps,) of a word at every step of a recording, through one stream that is never reset.

    Raises:
        UsageError: the model has no such word.
    """
    labels = program.manifest.labels
    if word not in labels:
        raise UsageError(f"'{program.name}' does not know the word '{word}'; {misspelt(word, labels)}")
    scores = program.stream().run(in_hops(recording.samples, program.manifest.inputs))
    return probability(scores, labels.index(word))


def smoothed(share: Array, window: int) -> Array:
    """The mean of the last `window` values at each step (steps,), as a KeywordDetector has it."""
    sums = np.cumsum(np.concatenate([np.zeros(1), share]))
    first = np.maximum(np.arange(1, len(sums)) - window, 0)
    means: Array = (sums[1:] - sums[first]) / (np.arange(1, len(sums)) - first)
    return means


def rises(score: Array, threshold: float, refractory: int) -> list[int]:
    """The steps at which a Trigger would raise an alarm, all at once."""
    above = score >= threshold
    found: list[int] = []
    for step in np.flatnonzero(above & ~np.concatenate([[False], above[:-1]])).tolist():
        if not found or step - found[-1] > refractory:
            found.append(step)
    return found


@dataclass(frozen=True)
class Outcome:
    """What alarms come to: how often the word was said and not heard, and alarms where it was not said."""

    said: int
    missed: int
    false: int
    hours: float

    @property
    def miss_rate(self) -> float:
        """The part of the words that were not heard."""
        return self.missed / self.said if self.said else 0.0

    @property
    def false_an_hour(self) -> float:
        """False alarms in an hour."""
        return self.false / self.hours


def evaluated(times_s: Iterable[float], recording: Recording, word: str, late_s: float) -> Outcome:
    """Hold alarms against the truth: a word takes its first alarm, until `late_s` after its end; the rest are false."""
    times = np.sort(np.array(list(times_s), float))
    right = np.zeros(len(times), bool)
    said = [each for each in recording.spoken if each.label == word]
    missed = 0
    for each in said:
        within = np.flatnonzero((times >= each.start) & (times <= each.end + late_s) & ~right)
        missed += not within.size
        right[within[:1]] = True
    return Outcome(len(said), missed, int((~right).sum()), recording.hours)


@dataclass(frozen=True)
class Point:
    """A setting of the detector and what it comes to."""

    window: int
    threshold: float
    outcome: Outcome


_TRIED = np.concatenate([np.linspace(0.02, 0.9, 45), 1 - np.geomspace(0.09, 0.001, 25)])
THRESHOLDS = tuple(np.round(_TRIED, 4).tolist())


def curve(
    share: Array, recording: Recording, word: str, window: int, rest_s: float, late_s: float
) -> tuple[Point, ...]:
    """The operating curve: every one of THRESHOLDS with the outcome, for one smoothing window.

    Args:
        share: the probability of the word (steps,), as `heard` gives it.
        recording, word: what was heard, and what is looked for.
        window: steps over which the probability is averaged.
        rest_s: the refractory time.
        late_s: how long after the end of a word its alarm may come.
    """
    step_s = len(recording.samples) / recording.rate_hz / len(share)
    score = smoothed(share, window)
    found = ((threshold, rises(score, threshold, round(rest_s / step_s))) for threshold in THRESHOLDS)
    return tuple(
        Point(window, threshold, evaluated([(k + 1) * step_s for k in at], recording, word, late_s))
        for threshold, at in found
    )


def chosen(points: Iterable[Point], most_an_hour: float) -> Point:
    """The point with the fewest misses among those with at most so many false alarms an hour; then the fewest of these.

    Raises:
        UsageError: no point keeps to it.
    """
    every = list(points)
    kept = [each for each in every if each.outcome.false_an_hour <= most_an_hour]
    if not kept:
        least = min(each.outcome.false_an_hour for each in every)
        raise UsageError(f"at most {most_an_hour:g} false alarms an hour were asked for; the fewest are {least:.2g}")
    return min(kept, key=lambda each: (each.outcome.missed, each.outcome.false, -each.threshold))


def detected(program: Program, recording: Recording, keyword: Keyword) -> list[float]:
    """When a detector raises an alarm, in seconds, step by step as on a device: one stream, never reset."""
    stream, detector = program.stream(), KeywordDetector(keyword)
    hop = program.manifest.inputs
    frames = in_hops(recording.samples, hop)
    return [(k + 1) * hop / recording.rate_hz for k, x in enumerate(frames) if detector.step(stream.step(x))]
