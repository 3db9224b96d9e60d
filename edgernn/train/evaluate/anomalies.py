"""Anomaly detection in a series by a forecasting model: scores, alarms, and a comparison with known anomalies."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.postprocess.anomaly import AnomalyLikelihood, AnomalyScorer
from edgernn.runtime.parts import check_each_frame, check_one
from edgernn.runtime.program import Program
from edgernn.train.data import sampling, table
from edgernn.train.data.sampling import Sampling
from edgernn.train.data.series import CALENDAR, to_frames
from edgernn.train.data.split import first_of_test
from edgernn.train.data.table import Column
from edgernn.train.data.times import Times
from edgernn.train.evaluate.known import TimedWindow, TimeRange

NEXT = "+1"  # the label of the output that forecasts the next value
HOUR, WEEK = 3600.0, 7 * 86_400.0
CANDIDATES = 200


@dataclass(frozen=True)
class Rule:
    """When a score is an alarm.

    Attributes:
        likelihood: how forecast errors become a score.
        false_alarms_per_week: the limit on false alarms in the training part; the lowest threshold within it is used.
        rest_hours: the time after an alarm without further alarms.

    Raises:
        UsageError: A number is negative.
    """

    likelihood: AnomalyLikelihood = field(default_factory=AnomalyLikelihood)
    false_alarms_per_week: float = 1.0
    rest_hours: float = 24.0

    def __post_init__(self) -> None:
        if not (self.false_alarms_per_week >= 0 and self.rest_hours >= 0):
            raise UsageError(
                f"false_alarms_per_week is {self.false_alarms_per_week} and rest_hours is {self.rest_hours}; expected "
                "at least 0"
            )


@dataclass(frozen=True)
class Alarm:
    """An alarm: the time in the file, the score, and whether it is in a known window."""

    time: str
    score: float
    part: str  # "training" or "test"
    known: bool


@dataclass(frozen=True)
class PartSummary:
    """The alarms of a part of the series, compared with the windows whose middle lies in it.

    Attributes:
        weeks: the duration of the part, gaps included.
        windows, detected: the number of windows, and of windows with an alarm.
        false_alarms, false_alarms_per_week: the alarms outside all windows, in total and per week.
        lead_hours: for each detected window, the time from its first alarm to its middle, which NAB labels.
    """

    weeks: float
    windows: int
    detected: int
    false_alarms: int
    false_alarms_per_week: float
    lead_hours: tuple[float, ...]


@dataclass(frozen=True)
class SeriesAlarms:
    """The result of anomaly detection in a series.

    Attributes:
        threshold: the lowest score that raises an alarm.
        alarms: all alarms.
        parts: the name of each part -> its summary.
        gaps, gap_hours: the number of gaps in the series, and their total duration.
        notes: warnings about the times, gaps included.
    """

    threshold: float
    alarms: tuple[Alarm, ...]
    parts: Mapping[str, PartSummary]
    gaps: int
    gap_hours: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)


def detect_anomalies(
    program: Program,
    path: str | os.PathLike[str],
    windows: Sequence[TimeRange] = (),
    *,
    rule: Rule | None = None,
    value: Column = "value",
    time: Column = "timestamp",
    test_share: float = 0.2,
    zone: str = "",
    resample: str = "",
) -> SeriesAlarms:
    """Stream a series through a model, score the error of each forecast, and raise alarms.

    The threshold is chosen on the training part. Weeks and hours are those of the timestamps. After a gap the model
    begins at the initial state, as each sequence in training did. The first value after a gap has no forecast and the
    score 0; the error statistics continue across gaps.

    Args:
        program: a model with the reader series, which forecasts the next value.
        path: a CSV or Parquet file with values and times, in order.
        windows: the known anomalies, from `known_windows`; without them every alarm is false.
        rule: when a score is an alarm.
        value, time: the columns.
        test_share: the part at the end that is not used to choose the threshold.
        zone, resample: the options of the recipe; see `series.read`.

    Raises:
        UsageError: The model does not forecast such a series, its interval differs, or a column does not exist.
        FileError: The file cannot be read, a cell is not a number or time, or the sampling is irregular; with the line.
    """
    manifest, rule = program.manifest, rule or Rule()
    if NEXT not in manifest.labels or manifest.inputs not in {1, 1 + CALENDAR}:
        raise UsageError(
            f"'{program.name}' has {manifest.inputs} inputs and the outputs {', '.join(manifest.labels) or 'unnamed'}; "
            f"expected a forecasting model with an output '{NEXT}', such as that of the recipe machine-temperature"
        )
    check_each_frame(manifest, program.name, "a forecast")
    rows = table.read_table(path)
    series = to_frames(rows, value, time, calendar=manifest.inputs > 1, ordered=False, zone=zone, resample=resample)
    if series.sampling is None or series.times is None:
        raise UsageError(f"'{path}' has no column of times; expected a series with times")
    _check_period(program, path, series.sampling)
    forecast = _forecast(program, series.frames, series.sampling.starts)
    scores = anomaly_scores(forecast, series.frames[:, 0], rule.likelihood, series.sampling.starts)
    return _series_alarms(scores, series.times, series.sampling, windows, rule, first_of_test(len(scores), test_share))


def _check_period(program: Program, path: str | os.PathLike[str], sampled: Sampling) -> None:
    expected = (program.manifest.period_ms or 0) / 1000
    if expected and abs(sampled.interval - expected) > sampling.JITTER * expected:
        raise UsageError(
            f"the interval of '{program.name}' is {sampling.duration(expected)}, and that of '{path}' is "
            f"{sampling.duration(sampled.interval)}; expected equal intervals: resample the series, or train on it"
        )


def _forecast(program: Program, frames: Array, starts: Array) -> Array:
    """The forecast of the next value at each step (n,), from the initial state in each run."""
    check_one(program.manifest, program.name, "a forecast")
    stream, output = program.stream(), program.manifest.labels.index(NEXT)
    forecasts = []
    for run in sampling.runs(starts, 0, len(frames)):
        stream.reset()
        forecasts.append(stream.run(frames[run])[:, output])
    return np.concatenate(forecasts)


def anomaly_scores(
    forecast: Array, values: Array, likelihood: AnomalyLikelihood, starts: Sequence[int] | Array = (0,)
) -> Array:
    """The score of each value (n,), from the forecast of the next value at each step (n,).

    The first value of a run has no forecast and the score 0.
    """
    scorer, begin = AnomalyScorer(likelihood), set(map(int, starts))
    pairs = enumerate(zip(np.roll(forecast, 1).tolist(), values.tolist(), strict=True))
    return np.array([0.0 if k in begin else scorer.step(predicted, value) for k, (predicted, value) in pairs])


def alarm_steps(scores: Array, threshold: float, elapsed: Array, rest_s: float) -> list[int]:
    """The steps at which the score rises to the threshold, more than `rest_s` seconds after the last alarm.

    Args:
        scores: (n,).
        threshold: the score that raises an alarm.
        elapsed: (n,) seconds of each step since the first.
        rest_s: seconds without further alarms.
    """
    above = scores >= threshold
    steps: list[int] = []
    for k in np.flatnonzero(above & ~np.append(False, above[:-1])).tolist():
        if not steps or elapsed[k] - elapsed[steps[-1]] > rest_s:
            steps.append(k)
    return steps


def choose_threshold(scores: Array, known: Array, elapsed: Array, rest_s: float, max_false_alarms: float) -> float:
    """The lowest threshold for which it and all higher candidates give at most `max_false_alarms` false alarms."""
    threshold = float(np.nextafter(scores.max(), np.inf))  # no alarm at all
    tried = np.unique(np.quantile(scores, 1 - np.geomspace(1 / len(scores), 0.5, CANDIDATES), method="higher"))
    for lower in tried[::-1]:
        if sum(not known[k] for k in alarm_steps(scores, float(lower), elapsed, rest_s)) > max_false_alarms:
            break
        threshold = float(lower)
    return threshold


def _series_alarms(
    scores: Array, times: Times, sampled: Sampling, windows: Sequence[TimeRange], rule: Rule, first: int
) -> SeriesAlarms:
    """The result from the scores (n,). Those before `first` are the training part."""
    elapsed, rest_s = sampled.elapsed, rule.rest_hours * HOUR
    timed = [TimedWindow.of(window, times) for window in windows]
    known = np.zeros(len(scores), bool)
    for window in timed:
        known |= window.holds
    begun = float(elapsed[first])  # the beginning of the test part
    weeks = begun / WEEK, (float(elapsed[-1]) + sampled.interval - begun) / WEEK
    threshold = choose_threshold(
        scores[:first], known[:first], elapsed[:first], rest_s, rule.false_alarms_per_week * weeks[0]
    )
    at = alarm_steps(scores, threshold, elapsed, rest_s)
    sides = {"training": slice(0, first), "test": slice(first, len(scores))}
    parts = {
        name: _part(side, at, known, timed, length) for (name, side), length in zip(sides.items(), weeks, strict=True)
    }
    alarms = (Alarm(times.cells[k], float(scores[k]), "training" if k < first else "test", bool(known[k])) for k in at)
    return SeriesAlarms(threshold, tuple(alarms), parts, sampled.gaps, round(sampled.missing / HOUR, 3), sampled.notes)


def _part(side: slice, at: Sequence[int], known: Array, windows: Sequence[TimedWindow], weeks: float) -> PartSummary:
    inside = [each for each in windows if each.middle_in(side)]
    leads = []
    for window in inside:
        first = next((k for k in at if window.holds[k]), None)
        if first is not None:
            leads.append(round(float(window.middle - window.rows[first]) / HOUR, 2))
    false = sum(side.start <= k < side.stop and not known[k] for k in at)
    return PartSummary(round(weeks, 3), len(inside), len(leads), false, round(false / weeks, 3), tuple(leads))
