"""Anomalies of a series by a model that foretells it: scores, alarms, and how they compare with what is known."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn import disk, plain_json
from edgernn.anomaly import Likelihood, Scorer
from edgernn.detector import Trigger
from edgernn.errors import FileError, UsageError
from edgernn.runtime import Program
from edgernn.strict import misspelt
from edgernn.train.data import table
from edgernn.train.data.series import CALENDAR, clock, shown
from edgernn.train.data.split import first_of_test
from edgernn.train.data.table import Column

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

    likelihood: Likelihood = field(default_factory=Likelihood)
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
        weeks: how long it is.
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
class Watch:
    """What came of a series: the threshold, every alarm, and the figures of each part by its name."""

    threshold: float
    alarms: tuple[Alarm, ...]
    parts: Mapping[str, Part]

    def said(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def watch(
    program: Program,
    path: str | os.PathLike[str],
    windows: Sequence[tuple[float, float]] = (),
    *,
    rule: Rule | None = None,
    value: Column = "value",
    time: Column = "timestamp",
    test_share: float = 0.2,
) -> Watch:
    """Stream a series through a model and score how far off each forecast was; the training part chooses the threshold.

    Args:
        program: a model of a recipe with the reader series, which foretells the next value.
        path: a CSV or Parquet file with values and times, in the order in which they came.
        windows: what is known of the series, as `known_windows` gives it; without them every alarm is a false one.
        rule: when a score is an alarm.
        value, time: the columns.
        test_share: the part at the end whose scores and windows choose nothing.

    Raises:
        UsageError: a model of something else, a column that is not there.
        FileError: a file that cannot be read, or a cell that is no number or time; with the line.
    """
    said, rule = program.contract, rule or Rule()
    if NEXT not in said.labels or said.inputs not in {1, 1 + CALENDAR}:
        raise UsageError(
            f"'{program.name}' reads {said.inputs} values and answers {', '.join(said.labels) or 'without labels'}; "
            f"expected a model of a series with an answer '{NEXT}', as the recipe machine-temperature makes it"
        )
    rows = table.read(path)
    frames, seconds = shown(rows, value, time, calendar=said.inputs > 1, ordered=False)
    if seconds is None or len(rows) < 2:
        raise UsageError(f"'{path}' has no column of times, or a single row; expected a series with its times")
    period = float(np.median(np.diff(seconds)))
    first = first_of_test(len(rows), test_share)
    forecast = program.stream().run(frames)[:, said.labels.index(NEXT)]
    scores = scored(forecast, frames[:, 0], rule.likelihood)
    known = np.zeros(len(rows), bool)
    for start, end in windows:
        known |= (start <= seconds) & (seconds <= end)
    rest = round(rule.rest_hours * HOUR / period)
    threshold = chosen(scores[:first], known[:first], rest, rule.a_week * first * period / WEEK)
    at = alarms(scores, threshold, rest)
    times = rows.text(time)
    sides = {"training": slice(0, first), "test": slice(first, len(rows))}
    return Watch(
        threshold,
        tuple(Alarm(times[k], float(scores[k]), "training" if k < first else "test", bool(known[k])) for k in at),
        {name: _part(side, at, seconds, known, windows, period) for name, side in sides.items()},
    )


def scored(forecast: Array, values: Array, likelihood: Likelihood) -> Array:
    """The score of each value (n,), given what was foretold for the next one at each step (n,); 0 for the first."""
    scorer = Scorer(likelihood)
    pairs = zip(forecast[:-1].tolist(), values[1:].tolist(), strict=True)
    return np.array([0.0, *(scorer.step(told, value) for told, value in pairs)])


def alarms(scores: Array, threshold: float, rest: int) -> list[int]:
    """The steps at which there is an alarm."""
    trigger = Trigger(threshold, rest)
    return [k for k, score in enumerate(scores.tolist()) if trigger.step(score)]


def chosen(scores: Array, known: Array, rest: int, most: float) -> float:
    """The lowest threshold with at most so many alarms where nothing is known, as every higher one that was tried."""
    threshold = float(np.nextafter(scores.max(), np.inf))  # no alarm at all
    tried = np.unique(np.quantile(scores, 1 - np.geomspace(1 / len(scores), 0.5, CANDIDATES), method="higher"))
    for lower in tried[::-1]:
        if sum(not known[k] for k in alarms(scores, float(lower), rest)) > most:
            break
        threshold = float(lower)
    return threshold


def _part(
    side: slice, at: Sequence[int], seconds: Array, known: Array, windows: Sequence[tuple[float, float]], period: float
) -> Part:
    there = [k for k in at if side.start <= k < side.stop]
    begin, end = seconds[side][0], seconds[side][-1]
    inside = [(start, stop) for start, stop in windows if begin <= (start + stop) / 2 <= end]
    leads = []
    for start, stop in inside:
        first = next((seconds[k] for k in at if start <= seconds[k] <= stop), None)
        if first is not None:
            leads.append(round(float((start + stop) / 2 - first) / HOUR, 2))
    weeks = (side.stop - side.start) * period / WEEK
    false = sum(not known[k] for k in there)
    return Part(round(weeks, 3), len(inside), len(leads), false, round(false / weeks, 3), tuple(leads))


def known_windows(path: str | os.PathLike[str], series: str | os.PathLike[str]) -> list[tuple[float, float]]:
    """The windows of a series in NAB's combined_windows.json: (start, end) of each by `series.clock`.

    Args:
        path: JSON of {"folder/file.csv": [[start, end], ...]}.
        series: the file of the series, found by its name, whatever its folder.

    Raises:
        FileError: no such JSON, or the series is not in it.
    """
    try:
        said = plain_json.loads(disk.read(path))
        named = {Path(key).name: windows for key, windows in said.items()}
        wanted = Path(series).name
        if wanted not in named:
            raise FileError(f"'{path}' has no windows of '{wanted}'; {misspelt(wanted, named)}")
        return [(clock(start), clock(end)) for start, end in named[wanted]]
    except (ValueError, AttributeError, TypeError) as error:
        raise FileError(
            f"'{path}' is no list of windows: {error}; expected JSON of a file's name and its [start, end], as NAB's "
            "combined_windows.json"
        ) from error
