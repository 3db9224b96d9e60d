"""Anomalies of a series by a model that foretells it: scores, alarms, and how they compare with what is known."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError
from edgernn.postprocess.anomaly import AnomalyLikelihood, AnomalyScorer
from edgernn.runtime.program import Program
from edgernn.train.data import sampling, table
from edgernn.train.data.sampling import Sampling
from edgernn.train.data.series import CALENDAR, show
from edgernn.train.data.split import first_of_test
from edgernn.train.data.table import Column
from edgernn.train.data.times import Times
from edgernn.train.evaluate.known import Placed, Window

Array = NDArray[Any]

NEXT = "+1"  # the label of the output that foretells the next value
HOUR, WEEK = 3600.0, 7 * 86_400.0
CANDIDATES = 200


@dataclass(frozen=True)
class Rule:
    """When a score is an alarm.

    Attributes:
        likelihood: how errors become a score.
        a_week: false alarms that the training part may have in a week: the threshold is the lowest that keeps to it.
        rest_hours: after an alarm there is none for so long.

    Raises:
        UsageError: a negative number.
    """

    likelihood: AnomalyLikelihood = field(default_factory=AnomalyLikelihood)
    a_week: float = 1.0
    rest_hours: float = 24.0

    def __post_init__(self) -> None:
        if not (self.a_week >= 0 and self.rest_hours >= 0):
            raise UsageError(f"{self.a_week} a week and a rest of {self.rest_hours} hours arrived; expected at least 0")


@dataclass(frozen=True)
class Alarm:
    """An alarm: the time of its row as the file has it, its score, and whether a known window holds it."""

    time: str
    score: float
    part: str  # "training" or "test"
    known: bool


@dataclass(frozen=True)
class Part:
    """How the alarms of a part of the series compare with the windows whose middle lies in it.

    Attributes:
        weeks: how long it is in time, gaps included.
        windows, found: how many windows, and how many of them hold an alarm.
        false_alarms, a_week: alarms outside of every window, all and in a week.
        lead_hours: of each window that was found, from its first alarm to its middle, where NAB has its label.
    """

    weeks: float
    windows: int
    found: int
    false_alarms: int
    a_week: float
    lead_hours: tuple[float, ...]


@dataclass(frozen=True)
class SeriesAlarms:
    """What came of a series.

    Attributes:
        threshold: a score from which on there is an alarm.
        alarms: all of them.
        parts: the figures of each part by its name.
        gaps, gap_hours: how many gaps the series has, and how long they are together.
        notes: what else a user must know of the times, gaps included.
    """

    threshold: float
    alarms: tuple[Alarm, ...]
    parts: Mapping[str, Part]
    gaps: int
    gap_hours: float
    notes: tuple[str, ...]

    def said(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def watch(
    program: Program,
    path: str | os.PathLike[str],
    windows: Sequence[Window] = (),
    *,
    rule: Rule | None = None,
    value: Column = "value",
    time: Column = "timestamp",
    test_share: float = 0.2,
    zone: str = "",
    resample: str = "",
) -> SeriesAlarms:
    """Stream a series through a model and score how far off each forecast was; the training part chooses the threshold.

    Weeks and hours are those of the timestamps. After a gap the model begins at rest, as each of its sequences in
    training did, and the first value, which nothing foretold, has the score 0; the errors that say what is usual are
    kept.

    Args:
        program: a model of a recipe with the reader series, which foretells the next value.
        path: a CSV or Parquet file with values and times, in the order in which they came.
        windows: what is known of the series, as `known_windows` gives it; without them every alarm is a false one.
        rule: when a score is an alarm.
        value, time: the columns.
        test_share: the part at the end whose scores and windows choose nothing.
        zone, resample: as the recipe has them; see `series.read`.

    Raises:
        UsageError: a model of something else, or of rows that are not as far apart; a column that is not there.
        FileError: a file that cannot be read, a cell that is no number or time, irregular sampling; with the line.
    """
    said, rule = program.manifest, rule or Rule()
    if NEXT not in said.labels or said.inputs not in {1, 1 + CALENDAR}:
        raise UsageError(
            f"'{program.name}' reads {said.inputs} values and answers {', '.join(said.labels) or 'without labels'}; "
            f"expected a model of a series with an answer '{NEXT}', as the recipe machine-temperature makes it"
        )
    rows = table.read(path)
    series = show(rows, value, time, calendar=said.inputs > 1, ordered=False, zone=zone, resample=resample)
    if series.sampling is None or series.times is None:
        raise UsageError(f"'{path}' has no column of times; expected a series with its times")
    _check_period(program, path, series.sampling)
    forecast = _foretold(program, series.frames, series.sampling.starts)
    scores = scored(forecast, series.frames[:, 0], rule.likelihood, series.sampling.starts)
    return _watched(scores, series.times, series.sampling, windows, rule, first_of_test(len(scores), test_share))


def _check_period(program: Program, path: str | os.PathLike[str], found: Sampling) -> None:
    wanted = (program.manifest.period_ms or 0) / 1000
    if wanted and abs(found.interval - wanted) > sampling.JITTER * wanted:
        raise UsageError(
            f"'{program.name}' foretells rows {sampling.duration(wanted)} apart, and those of '{path}' are "
            f"{sampling.duration(found.interval)} apart; expected the same: resample the series, or train on it"
        )


def _foretold(program: Program, frames: Array, starts: Array) -> Array:
    """What the model foretells for the next value at each step (n,), from rest in each run."""
    stream, output = program.stream(), program.manifest.labels.index(NEXT)
    made = []
    for run in sampling.runs(starts, 0, len(frames)):
        stream.reset()
        made.append(stream.run(frames[run])[:, output])
    return np.concatenate(made)


def scored(
    forecast: Array, values: Array, likelihood: AnomalyLikelihood, starts: Sequence[int] | Array = (0,)
) -> Array:
    """The score of each value (n,), given what was foretold for the next one at each step (n,).

    A value that begins a run was not foretold, and scores 0.
    """
    scorer, begin = AnomalyScorer(likelihood), set(map(int, starts))
    pairs = enumerate(zip(np.roll(forecast, 1).tolist(), values.tolist(), strict=True))
    return np.array([0.0 if k in begin else scorer.step(told, value) for k, (told, value) in pairs])


def alarms(scores: Array, threshold: float, elapsed: Array, rest: float) -> list[int]:
    """The steps (of n) at which a score rises to the threshold, more than `rest` seconds after the alarm before.

    Args:
        scores: (n,).
        threshold: what a score must reach, after having been below it.
        elapsed: (n,) seconds of each step since the first.
        rest: seconds.
    """
    above = scores >= threshold
    found: list[int] = []
    for k in np.flatnonzero(above & ~np.append(False, above[:-1])).tolist():
        if not found or elapsed[k] - elapsed[found[-1]] > rest:
            found.append(k)
    return found


def chosen(scores: Array, known: Array, elapsed: Array, rest: float, most: float) -> float:
    """The lowest threshold with at most so many alarms where nothing is known, as every higher one that was tried."""
    threshold = float(np.nextafter(scores.max(), np.inf))  # no alarm at all
    tried = np.unique(np.quantile(scores, 1 - np.geomspace(1 / len(scores), 0.5, CANDIDATES), method="higher"))
    for lower in tried[::-1]:
        if sum(not known[k] for k in alarms(scores, float(lower), elapsed, rest)) > most:
            break
        threshold = float(lower)
    return threshold


def _watched(
    scores: Array, when: Times, found: Sampling, windows: Sequence[Window], rule: Rule, first: int
) -> SeriesAlarms:
    """What came of the scores (n,), of which those before `first` are the training part."""
    elapsed, rest = found.elapsed, rule.rest_hours * HOUR
    placed = [Placed.of(window, when) for window in windows]
    known = np.zeros(len(scores), bool)
    for window in placed:
        known |= window.holds
    begun = float(elapsed[first])  # when the test part does
    weeks = begun / WEEK, (float(elapsed[-1]) + found.interval - begun) / WEEK
    threshold = chosen(scores[:first], known[:first], elapsed[:first], rest, rule.a_week * weeks[0])
    at = alarms(scores, threshold, elapsed, rest)
    sides = {"training": slice(0, first), "test": slice(first, len(scores))}
    parts = {
        name: _part(side, at, known, placed, long) for (name, side), long in zip(sides.items(), weeks, strict=True)
    }
    told = (Alarm(when.cells[k], float(scores[k]), "training" if k < first else "test", bool(known[k])) for k in at)
    return SeriesAlarms(threshold, tuple(told), parts, found.gaps, round(found.missing / HOUR, 3), found.notes)


def _part(side: slice, at: Sequence[int], known: Array, windows: Sequence[Placed], weeks: float) -> Part:
    inside = [each for each in windows if each.middle_in(side)]
    leads = []
    for window in inside:
        first = next((k for k in at if window.holds[k]), None)
        if first is not None:
            leads.append(round(float(window.middle - window.rows[first]) / HOUR, 2))
    false = sum(side.start <= k < side.stop and not known[k] for k in at)
    return Part(round(weeks, 3), len(inside), len(leads), false, round(false / weeks, 3), tuple(leads))
