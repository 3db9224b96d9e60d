"""One long series of measurements, with future values as targets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.cells import Difference, Standardize
from edgernn.errors import UsageError
from edgernn.model.tensor import Tensor
from edgernn.train.data import sampling, table, times
from edgernn.train.data.features import statistics
from edgernn.train.data.sampling import Sampling
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.split import first_of_test
from edgernn.train.data.table import Column, Table
from edgernn.train.data.times import Times

CALENDAR = 4  # columns: sine and cosine of the time of day and of the day of the week


def read(
    path: str | os.PathLike[str],
    *,
    value: Column = "value",
    time: Column = "timestamp",
    horizon: int | Sequence[int] = 1,
    test_share: float = 0.2,
    calendar: bool = False,
    difference: bool = False,
    chunk: int = 0,
    ordered: bool = True,
    zone: str = "",
    resample: str = "",
    header: bool = True,
    separator: str = ",",
) -> Data:
    """Read a CSV or Parquet file: float32 (rows, 1), or (rows, 5) with the calendar. The last rows are the test part.

    Frames are raw values, standardized by a feature cell. Targets are standard scores of future values, or of the
    change until then; the outputs of the exported model are values. Neither the statistics of these scores nor any
    target of the training part depends on a row of the test part.

    The interval is the median of the time differences. A row that is not one interval after the row before, within
    `sampling.JITTER` of it, begins a new sequence, so no sequence, target or change crosses a gap; `Data.notes` has the
    number of gaps. Rows are ordered by instants; the calendar is that of the wall clock.

    Args:
        path: the file.
        value: the column to forecast.
        time: the column with ISO 8601 timestamps; "" for none: every row is one step.
        horizon: the forecast horizon in steps, at least 1; several for one output each.
        test_share: the part at the end that is the test part.
        calendar: whether a frame has the time of day and the day of the week, as sine and cosine.
        difference: whether a target is the change from the current value, and a frame has the last change beside the
            value; for a series with small changes between rows.
        chunk: the number of rows of a sequence; 0 for one sequence per part, or per run between two gaps.
        ordered: refuse a time that is not after the time before it. With False such a row counts as one interval later,
            as after a clock was set back.
        zone: the time zone of times without a UTC offset, and of the calendar, such as "Europe/Berlin"; see
            `times.parse_times`.
        resample: an interval such as "10min": each frame is the mean of the rows around a multiple of it after the
            first row. An interval without a row is a gap. The interval must not be shorter than that of the rows; see
            `sampling.resample`.
        header: whether the first line of a CSV file has the column names.
        separator: the separator of the cells of a CSV line.

    Raises:
        FileError: The file cannot be read, a row has too many or too few cells, a cell is not a finite number or a
            time, a time is out of order, or the sampling is irregular; with the line.
        UsageError: The options are inconsistent, or the series is too short for them.
    """
    steps = (horizon,) if isinstance(horizon, int) else tuple(horizon)
    if not steps or min(steps) < 1 or len(set(steps)) < len(steps) or chunk < 0:
        raise UsageError(
            f"horizon is {horizon} and chunk {chunk}; expected distinct horizons of at least 1, and chunk at least 0"
        )
    if calendar and time == "":
        raise UsageError("calendar needs the column of the times; set time to its name")
    rows = table.read_table(path, header=header, separator=separator)
    series = to_frames(rows, value, time, calendar=calendar, ordered=ordered, zone=zone, resample=resample)
    first = first_of_test(len(series.frames), test_share)
    train_runs, test_runs = (
        _runs(rows, series, *part, max(steps)) for part in ((0, first), (first, len(series.frames)))
    )
    training_frames = [series.frames[run] for run in train_runs]
    mean, deviation = map(
        np.concatenate, zip(*(_statistics(training_frames, step, difference) for step in steps), strict=True)
    )
    targets = _Targets(steps, mean, deviation, difference)
    return Data(
        _part(rows, series, train_runs, targets, chunk),
        _part(rows, series, test_runs, targets, chunk),
        "series",
        series.frames.shape[1],
        len(steps),
        tuple(f"+{step}" for step in steps),
        period_ms=None if series.sampling is None else 1000 * series.sampling.interval,
        exact=_exact(training_frames, difference),
        mean=mean,
        deviation=deviation,
        relative=difference,
        notes=() if series.sampling is None else series.sampling.notes,
    )


@dataclass(frozen=True, eq=False)
class SeriesFrames:
    """A series as frames.

    Attributes:
        frames: float32 (n, 1), or (n, 1 + CALENDAR).
        rows: int64 (n,), the row of the table of each frame; the first row if the frame is a mean of several.
        times: the times of the frames; None for a series without times.
        sampling: the sampling of the frames; None for a series without times.
    """

    frames: Array
    rows: Array
    times: Times | None
    sampling: Sampling | None

    @property
    def starts(self) -> Array:
        """The first frame of each run."""
        return np.zeros(1, np.int64) if self.sampling is None else self.sampling.starts


def to_frames(
    rows: Table,
    value: Column,
    time: Column,
    *,
    calendar: bool = False,
    ordered: bool = True,
    zone: str = "",
    resample: str = "",
) -> SeriesFrames:
    """The frames of a table, with the options of `read`.

    Raises:
        FileError, UsageError: See `read`.
    """
    values = rows.numbers([value])
    every = sampling.seconds(resample) if resample != "" else None
    if time == "":
        if every or zone:
            raise UsageError("resample and zone need the column of the times; set time to its name")
        return SeriesFrames(values.astype(np.float32), np.arange(len(rows)), None, None)
    row_times = times.parse_times(rows, time, zone)
    measured = sampling.measure(rows, row_times, ordered)
    firsts = np.arange(len(rows))
    if every is None:
        sampling.check_regular(rows, row_times, measured)
    else:
        fine = measured
        measured, places, firsts = sampling.resample(rows, fine, every)
        values = (np.bincount(places, values[:, 0]) / np.bincount(places))[:, None]
        row_times = row_times.shifted(firsts, measured.elapsed - fine.elapsed[firsts])
    frames = np.hstack([values, _calendar(row_times.walls)]) if calendar else values
    return SeriesFrames(frames.astype(np.float32), firsts, row_times, measured)


def _runs(rows: Table, series: SeriesFrames, begin: int, end: int, most: int) -> list[slice]:
    """The runs of a part; at least one must be longer than the longest horizon."""
    runs = sampling.runs(series.starts, begin, end)
    longest = max(run.stop - run.start for run in runs)
    if longest <= most:
        where = (
            f"a part of {end - begin} rows" if len(runs) == 1 else f"a part with at most {longest} rows between gaps"
        )
        raise UsageError(f"'{rows.path}' has {where}, too few for a horizon of {most} steps")
    return runs


@dataclass(frozen=True)
class _Targets:
    """The specification of targets: standard scores of values some steps ahead, or of the changes until then."""

    steps: Sequence[int]
    mean: Array
    deviation: Array
    difference: bool


def _statistics(known: Sequence[Array], step: int, difference: bool) -> tuple[Array, Array]:
    """Mean and deviation, (1,) each, of the values of the training part, or of their changes over some steps."""
    values = [run[step:, :1] - run[:-step, :1] if difference else run[:, :1] for run in known]
    return statistics(np.concatenate(values))


def _exact(known: Sequence[Array], difference: bool) -> tuple[tuple[str, Any], ...]:
    """The feature cells: standard scores, and with `difference` the last change divided by its deviation."""
    width = known[0].shape[1]
    mean, deviation = _statistics(known, 1, difference=False)
    standardize = Standardize(
        Tensor(np.append(mean, np.zeros(width - 1, np.float32))),
        Tensor(np.append(deviation, np.ones(width - 1, np.float32))),
    )
    if not difference:
        return (("standardize", standardize),)
    change = Difference(width, Tensor(deviation / _statistics(known, 1, difference)[1]))
    return ("standardize", standardize), ("difference", change)


def _part(rows: Table, series: SeriesFrames, runs: Sequence[slice], targets: _Targets, chunk: int) -> Sequences:
    """The frames whose targets all lie inside their run, in chunks."""
    pieces = [
        (
            series.frames[at:end],
            _targets(series.frames[at : end + max(targets.steps), :1], targets),
            rows.at(series.rows[at]),
        )
        for run in runs
        for at, end in _cuts(run.start, run.stop - max(targets.steps), chunk)
    ]
    return Sequences(*map(tuple, zip(*pieces, strict=True)))


def _cuts(begin: int, end: int, chunk: int) -> list[tuple[int, int]]:
    """The (start, end) of chunks from `begin` to `end`; one chunk if `chunk` is 0, and none for an empty range."""
    return [(at, min(at + (chunk or end - at), end)) for at in range(begin, end, chunk or max(1, end - begin))]


def _targets(values: Array, spec: _Targets) -> Array:
    """The targets float32 (n, steps) of the first n values, from values (n + max(steps), 1)."""
    known = len(values) - max(spec.steps)
    ahead = np.hstack([values[step : step + known] for step in spec.steps])
    targets: Array = (ahead - (values[:known] if spec.difference else 0) - spec.mean) / spec.deviation
    return targets.astype(np.float32)


def _calendar(seconds: Array) -> Array:
    """(rows, CALENDAR): sine and cosine of the time of day, then of the day of the week, from wall times."""
    turns = [2 * np.pi * seconds / period for period in (86_400, 7 * 86_400)]
    return np.stack([wave(turn) for turn in turns for wave in (np.sin, np.cos)], axis=1).astype(np.float32)
