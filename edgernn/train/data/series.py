"""One long series of measurements, asked for its value some steps ahead."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import Difference, Standardize
from edgernn.errors import FileError, UsageError
from edgernn.tensor import Tensor
from edgernn.train.data import table
from edgernn.train.data.features import statistics
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.split import first_of_test
from edgernn.train.data.table import Column, Table

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
    header: bool = True,
    separator: str = ",",
) -> Data:
    """Read a CSV or Parquet file: float32 (rows, 1), or (rows, 5) with the calendar; the last rows are the test part.

    Values are frames as they stand, standardized by an exact cell; targets are standard scores of the values ahead, or
    of the change until then, and the exported model answers values. Neither the figures of these scores nor any target
    of the training part has seen a row of the test part.

    Args:
        path: the file.
        value: the column that is foretold.
        time: the column with ISO 8601 timestamps; "" where there is none.
        horizon: how many steps ahead, at least 1; several for an output each.
        test_share: the part at the end that judges.
        calendar: whether a frame has the time of day and the day of the week, as sine and cosine.
        difference: whether a target is the change from now, and a frame's last change is shown beside its value: for a
            series that moves little from a row to the next, where the value itself says almost all of the next.
        chunk: rows of a sequence, side by side; 0 for one sequence per part.
        ordered: refuse a time that is not after the one before; with False rows stay as they are, as where a clock was
            set back.
        header, separator: of a CSV file.

    Raises:
        FileError: a file that cannot be read, a ragged row, a cell that is no finite number or no time, a time out of
            order; with the line.
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
    frames, seconds = shown(rows, value, time, calendar, ordered)
    first = first_of_test(len(rows), test_share)
    for part in (first, len(rows) - first):
        if part <= max(steps):
            raise UsageError(f"'{path}' has a part of {part} rows, too few to look {max(steps)} steps ahead")
    known = frames[:first]
    mean, deviation = map(np.concatenate, zip(*(_figures(known, step, difference) for step in steps), strict=True))
    train, test = (
        _part(rows, frames[start:end], _Ahead(steps, mean, deviation, difference), chunk, start)
        for start, end in ((0, first), (first, len(rows)))
    )
    return Data(
        train,
        test,
        "series",
        frames.shape[1],
        len(steps),
        tuple(f"+{step}" for step in steps),
        period_ms=None if seconds is None else 1000 * float(np.median(np.diff(seconds))),
        exact=_exact(known, difference),
        mean=mean,
        deviation=deviation,
        relative=difference,
    )


def shown(
    rows: Table, value: Column, time: Column, calendar: bool, ordered: bool
) -> tuple[Array, NDArray[np.float64] | None]:
    """The frames (rows, 1), or (rows, 1 + CALENDAR); and the time of each in seconds, None where time is "".

    Raises:
        FileError, UsageError: as `read`.
    """
    values = rows.numbers([value]).astype(np.float32)
    seconds = None if time == "" else _seconds(rows, time, ordered)
    if not calendar or seconds is None:
        return values, seconds
    return np.hstack([values, _calendar(seconds)]), seconds


@dataclass(frozen=True)
class _Ahead:
    """What is asked: values so many steps ahead, or the changes until then, as standard scores."""

    steps: Sequence[int]
    mean: Array
    deviation: Array
    difference: bool


def _figures(known: Array, step: int, difference: bool) -> tuple[Array, Array]:
    """Mean and deviation, (1,) each, of the values of the training part, or of their changes in so many steps."""
    values = known[:, :1]
    return statistics(values[step:] - values[:-step] if difference else values)


def _exact(known: Array, difference: bool) -> tuple[tuple[str, Any], ...]:
    """The cells before the network: standard scores, and for a difference the last change in its own deviation."""
    mean, deviation = statistics(known[:, :1])
    beside = known.shape[1] - 1
    standardize = Standardize(
        Tensor(np.append(mean, np.zeros(beside, np.float32))), Tensor(np.append(deviation, np.ones(beside, np.float32)))
    )
    if not difference:
        return (("standardize", standardize),)
    change = Difference(known.shape[1], Tensor(deviation / _figures(known, 1, difference)[1]))
    return ("standardize", standardize), ("difference", change)


def _part(rows: Table, frames: Array, asked: _Ahead, chunk: int, start: int) -> Sequences:
    """The frames that have all their targets inside the part, in chunks."""
    values, known = frames[:, :1], len(frames) - max(asked.steps)
    ahead = np.hstack([values[step : step + known] for step in asked.steps])
    targets = (ahead - (values[:known] if asked.difference else 0) - asked.mean) / asked.deviation
    cuts = [slice(at, min(at + (chunk or known), known)) for at in range(0, known, chunk or known)]
    return Sequences(
        tuple(frames[cut] for cut in cuts),
        tuple(targets[cut].astype(np.float32) for cut in cuts),
        tuple(rows.at(start + cut.start) for cut in cuts),
    )


def _seconds(rows: Table, time: Column, ordered: bool) -> Array:
    """The `clock` of each row."""
    cells = rows.text(time)
    made = np.empty(len(cells))
    for k, cell in enumerate(cells):
        try:
            made[k] = clock(cell)
        except ValueError as error:
            raise FileError(
                f"{rows.at(k)}: column {time!r} holds {cell!r}; expected a time such as 2014-07-01 00:30:00"
            ) from error
    late = np.flatnonzero(np.diff(made) <= 0)
    if ordered and late.size:
        k = int(late[0]) + 1
        raise FileError(
            f"{rows.at(k)}: the time {cells[k]} is not after {cells[k - 1]}; sort the rows, or say ordered = false"
        )
    return made


def clock(cell: str) -> float:
    """Seconds from a Monday in 1970 to an ISO 8601 time, as its own clock shows it; a ValueError where it is none."""
    return (datetime.fromisoformat(cell).replace(tzinfo=None) - MONDAY).total_seconds()


MONDAY = datetime(1970, 1, 5)  # noqa: DTZ001  the clock of the place, whatever its zone


def _calendar(seconds: Array) -> Array:
    """(rows, CALENDAR): sine and cosine of the time of day, then of the day of the week."""
    turns = [2 * np.pi * seconds / period for period in (86_400, 7 * 86_400)]
    return np.stack([wave(turn) for turn in turns for wave in (np.sin, np.cos)], axis=1).astype(np.float32)
