"""One long series of measurements, asked for its value some steps ahead."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

Array = NDArray[Any]

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
    """Read a CSV or Parquet file: float32 (rows, 1), or (rows, 5) with the calendar; the last rows are the test part.

    Values are frames as they stand, standardized by an exact cell; targets are standard scores of the values ahead, or
    of the change until then, and the exported model answers values. Neither the figures of these scores nor any target
    of the training part has seen a row of the test part.

    The interval is the median of the differences in time. A row that does not come one interval after the row before,
    give or take `sampling.JITTER` of it, begins a new sequence, so that no sequence, no target and no change crosses a
    gap; `Data.notes` says how many there are. Rows are ordered by the instant; the calendar is that of the wall clock.

    Args:
        path: the file.
        value: the column that is foretold.
        time: the column with ISO 8601 timestamps; "" where there is none, and every row counts as one step.
        horizon: how many steps ahead, at least 1; several for an output each.
        test_share: the part at the end that judges.
        calendar: whether a frame has the time of day and the day of the week, as sine and cosine.
        difference: whether a target is the change from now, and a frame's last change is shown beside its value: for a
            series that moves little from a row to the next, where the value itself says almost all of the next.
        chunk: rows of a sequence, side by side; 0 for one sequence per part, or per run between two gaps.
        ordered: refuse a time that is not after the one before; with False such a row is one interval later, as where a
            clock was set back.
        zone: of times without a UTC offset, and of the calendar, such as "Europe/Berlin"; see `times.read`.
        resample: an interval such as "10min": each frame is the mean of the rows around a multiple of it from the first
            row. An interval without a row is a gap, and none is shorter than rows are apart; see `sampling.resampled`.
        header, separator: of a CSV file.

    Raises:
        FileError: a file that cannot be read, a ragged row, a cell that is no finite number or no time, a time out of
            order, irregular sampling; with the line.
        UsageError: options that do not fit, or a series too short for them.
    """
    steps = (horizon,) if isinstance(horizon, int) else tuple(horizon)
    if not steps or min(steps) < 1 or len(set(steps)) < len(steps) or chunk < 0:
        raise UsageError(
            f"horizon {horizon} and chunk {chunk} arrived; expected different steps of at least 1, chunk 0"
        )
    if calendar and time == "":
        raise UsageError("calendar needs the column of the time; give time = its name")
    rows = table.read(path, header=header, separator=separator)
    shown = show(rows, value, time, calendar=calendar, ordered=ordered, zone=zone, resample=resample)
    first = first_of_test(len(shown.frames), test_share)
    learnt, held = (_runs(rows, shown, *part, max(steps)) for part in ((0, first), (first, len(shown.frames))))
    known = [shown.frames[run] for run in learnt]
    mean, deviation = map(np.concatenate, zip(*(_figures(known, step, difference) for step in steps), strict=True))
    asked = _Ahead(steps, mean, deviation, difference)
    return Data(
        _part(rows, shown, learnt, asked, chunk),
        _part(rows, shown, held, asked, chunk),
        "series",
        shown.frames.shape[1],
        len(steps),
        tuple(f"+{step}" for step in steps),
        period_ms=None if shown.sampling is None else 1000 * shown.sampling.interval,
        exact=_exact(known, difference),
        mean=mean,
        deviation=deviation,
        relative=difference,
        notes=() if shown.sampling is None else shown.sampling.notes,
    )


@dataclass(frozen=True, eq=False)
class Shown:
    """A series as frames.

    Attributes:
        frames: float32 (n, 1), or (n, 1 + CALENDAR).
        rows: int64 (n,), the row of the table that each stands for, the first where it is a mean of several.
        times: of the frames; None where the series has none.
        sampling: of the frames; None where the series has no times, and every row follows the one before.
    """

    frames: Array
    rows: Array
    times: Times | None
    sampling: Sampling | None

    @property
    def starts(self) -> Array:
        """The frames that begin a run."""
        return np.zeros(1, np.int64) if self.sampling is None else self.sampling.starts


def show(
    rows: Table,
    value: Column,
    time: Column,
    *,
    calendar: bool = False,
    ordered: bool = True,
    zone: str = "",
    resample: str = "",
) -> Shown:
    """The frames of a table; the options are those of `read`.

    Raises:
        FileError, UsageError: as `read`.
    """
    values = rows.numbers([value])
    every = sampling.seconds(resample) if resample != "" else None
    if time == "":
        if every or zone:
            raise UsageError("resample and zone need the column of the time; give time = its name")
        return Shown(values.astype(np.float32), np.arange(len(rows)), None, None)
    when = times.read(rows, time, zone)
    found = sampling.of(rows, when, ordered)
    firsts = np.arange(len(rows))
    if every is None:
        sampling.check(rows, when, found)
    else:
        fine = found
        found, places, firsts = sampling.resampled(rows, fine, every)
        values = (np.bincount(places, values[:, 0]) / np.bincount(places))[:, None]
        when = when.moved(firsts, found.elapsed - fine.elapsed[firsts])
    frames = np.hstack([values, _calendar(when.walls)]) if calendar else values
    return Shown(frames.astype(np.float32), firsts, when, found)


def _runs(rows: Table, shown: Shown, begin: int, end: int, most: int) -> list[slice]:
    """The runs of a part, of which one at least is long enough to look so many steps ahead."""
    found = sampling.runs(shown.starts, begin, end)
    longest = max(run.stop - run.start for run in found)
    if longest <= most:
        where = (
            f"a part of {end - begin} rows"
            if len(found) == 1
            else f"a part whose longest run without a gap has {longest} rows"
        )
        raise UsageError(f"'{rows.path}' has {where}, too few to look {most} steps ahead")
    return found


@dataclass(frozen=True)
class _Ahead:
    """What is asked: values so many steps ahead, or the changes until then, as standard scores."""

    steps: Sequence[int]
    mean: Array
    deviation: Array
    difference: bool


def _figures(known: Sequence[Array], step: int, difference: bool) -> tuple[Array, Array]:
    """Mean and deviation, (1,) each, of the values of the training part, or of their changes in so many steps."""
    values = [run[step:, :1] - run[:-step, :1] if difference else run[:, :1] for run in known]
    return statistics(np.concatenate(values))


def _exact(known: Sequence[Array], difference: bool) -> tuple[tuple[str, Any], ...]:
    """The cells before the network: standard scores, and for a difference the last change in its own deviation."""
    width = known[0].shape[1]
    mean, deviation = _figures(known, 1, difference=False)
    standardize = Standardize(
        Tensor(np.append(mean, np.zeros(width - 1, np.float32))),
        Tensor(np.append(deviation, np.ones(width - 1, np.float32))),
    )
    if not difference:
        return (("standardize", standardize),)
    change = Difference(width, Tensor(deviation / _figures(known, 1, difference)[1]))
    return ("standardize", standardize), ("difference", change)


def _part(rows: Table, shown: Shown, within: Sequence[slice], asked: _Ahead, chunk: int) -> Sequences:
    """The frames that have all their targets inside their run, in chunks."""
    made = [
        (shown.frames[at:end], _targets(shown.frames[at : end + max(asked.steps), :1], asked), rows.at(shown.rows[at]))
        for run in within
        for at, end in _cuts(run.start, run.stop - max(asked.steps), chunk)
    ]
    return Sequences(*map(tuple, zip(*made, strict=True)))


def _cuts(begin: int, end: int, chunk: int) -> list[tuple[int, int]]:
    """From `begin` to `end` in pieces of so many, in one where chunk is 0; none where nothing is between."""
    return [(at, min(at + (chunk or end - at), end)) for at in range(begin, end, chunk or max(1, end - begin))]


def _targets(values: Array, asked: _Ahead) -> Array:
    """What is asked at each of the first values, float32 (n, steps), of values (n + max(steps), 1)."""
    known = len(values) - max(asked.steps)
    ahead = np.hstack([values[step : step + known] for step in asked.steps])
    targets: Array = (ahead - (values[:known] if asked.difference else 0) - asked.mean) / asked.deviation
    return targets.astype(np.float32)


def _calendar(seconds: Array) -> Array:
    """(rows, CALENDAR): sine and cosine of the time of day, then of the day of the week, of wall times."""
    turns = [2 * np.pi * seconds / period for period in (86_400, 7 * 86_400)]
    return np.stack([wave(turn) for turn in turns for wave in (np.sin, np.cos)], axis=1).astype(np.float32)
