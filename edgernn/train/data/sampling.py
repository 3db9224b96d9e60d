"""The sampling of a series: the interval between rows, gaps, and resampling by means over longer intervals."""

import re
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.train.data.table import Table
from edgernn.train.data.times import Times

JITTER = 0.25  # part of the interval by which a row may be early or late and still be on time
REGULAR = 2 / 3  # part of the rows that must be on time; below it the sampling is irregular
HOUR = 3600.0
UNITS = MappingProxyType({"ms": 0.001, "s": 1.0, "min": 60.0, "h": HOUR, "d": 24 * HOUR})


@dataclass(frozen=True, eq=False)
class Sampling:
    """The times of the rows of a series.

    Attributes:
        interval: seconds between rows: the median of the differences.
        elapsed: float64 (rows,) seconds since the first row. A row whose time is not after the row before it counts
            as one interval later.
        starts: int64, the first row of each run: row 0, and every row that is not one interval after the row before.
        gaps: the number of rows that are more than 1 + JITTER intervals after the row before.
        missing: seconds in all gaps, minus one interval per gap.
        early: the number of rows that are less than 1 - JITTER intervals after the row before, as after a restart.
        setbacks: the number of rows whose time is not after the row before.
    """

    interval: float
    elapsed: Array
    starts: Array
    gaps: int
    missing: float
    early: int
    setbacks: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the times, one sentence each; empty if every row is on time."""
        every = duration(self.interval)
        notes = {
            f"Gaps in time: {self.gaps}, {duration(self.missing)} in total, where rows are more than {every} apart. No "
            "sequence and no forecast crosses a gap.": self.gaps,
            f"Rows less than {every} after the row before: {self.early}. Each begins a new sequence.": self.early,
            f"Rows whose time is not after the row before: {self.setbacks}. Each counts as {every} later, as after a "
            "clock was set back.": self.setbacks,
        }
        return tuple(note for note, count in notes.items() if count)


def runs(starts: Array, begin: int, end: int) -> list[slice]:
    """The runs of the rows from `begin` to before `end`, as slices. No slice is empty."""
    inside = starts[(starts > begin) & (starts < end)].tolist()
    return [slice(*edges) for edges in pairwise([begin, *inside, end])]


def measure(rows: Table, times: Times, ordered: bool) -> Sampling:
    """Measure the sampling of rows. It may be irregular; see `check_regular`.

    Args:
        rows: the table.
        times: the times of its rows.
        ordered: whether a time that is not after the time before it is an error.

    Raises:
        FileError: The times are out of order (with the line), or no time is after the time before it.
    """
    steps = np.diff(times.instants)
    back = steps <= 0
    if back.all():
        raise FileError(
            f"'{rows.path}' has {len(rows)} rows, and no time is after the time before it; expected a series in order "
            "of time: sort the rows"
        )
    interval = float(np.median(steps[~back]))
    if ordered and back.any():
        raise _disorder(rows, times, int(np.flatnonzero(back)[0]) + 1, interval)
    return _sampling(np.where(back, interval, steps), interval, int(back.sum()))


def check_regular(rows: Table, times: Times, sampling: Sampling) -> None:
    """Refuse a series with less than REGULAR of its rows on time.

    Raises:
        FileError: The sampling is irregular; with the first line that is not on time, and its two times.
    """
    irregular = len(sampling.starts) - 1 + sampling.setbacks
    if irregular <= (1 - REGULAR) * (len(rows) - 1):
        return
    steps = np.diff(times.instants)
    k = int(np.flatnonzero(np.abs(steps - sampling.interval) > JITTER * sampling.interval)[0]) + 1
    raise FileError(
        f"{rows.at(k)}: the time {times.cells[k]} is {duration(steps[k - 1])} after {times.cells[k - 1]}, and the "
        f"median is {duration(sampling.interval)}: {irregular:,} of {len(rows) - 1:,} rows are not on time. "
        f'Resample the series with resample = "{_longer(sampling.interval)}" or longer under [data], or set time = "" '
        "if every row is one step"
    )


def resample(rows: Table, sampling: Sampling, every: float) -> tuple[Sampling, Array, Array]:
    """Assign rows to intervals around whole multiples of `every` after the first row.

    Each interval has the mean of its rows. An interval without a row is a gap and is not interpolated: a value between
    its neighbours would contain the future.

    Args:
        rows: the table.
        sampling: the sampling of the table.
        every: seconds of an interval.

    Returns:
        The new sampling, the index of the interval of each row (rows,), and the first row of each interval.

    Raises:
        UsageError: The intervals are shorter than the median interval of the rows.
    """
    if every < (1 - JITTER) * sampling.interval:
        raise UsageError(
            f"resample is {duration(every)}, and the median interval of '{rows.path}' is "
            f"{duration(sampling.interval)}; expected at least the median interval, because no value is interpolated"
        )
    multiples, firsts, places = np.unique(
        np.floor(sampling.elapsed / every + 0.5), return_index=True, return_inverse=True
    )
    return _sampling(np.diff(multiples) * every, every, sampling.setbacks), places, firsts


def _sampling(steps: Array, interval: float, setbacks: int) -> Sampling:
    late, early = (steps > (1 + JITTER) * interval), (steps < (1 - JITTER) * interval)
    return Sampling(
        interval,
        np.append(0.0, np.cumsum(steps)),
        np.append(0, np.flatnonzero(late | early) + 1),
        int(late.sum()),
        float((steps[late] - interval).sum()),
        int(early.sum()),
        setbacks,
    )


def _disorder(rows: Table, times: Times, k: int, interval: float) -> FileError:
    """The error for a time that is not after the time before it."""
    step = times.instants[k] - times.instants[k - 1]
    message = f"{rows.at(k)}: the time {times.cells[k]} is not after {times.cells[k - 1]}"
    if times.absolute or abs(step - (interval - HOUR)) > JITTER * interval:
        return FileError(f"{message}; sort the rows, or set ordered = false")
    twice = "a row is duplicated, or " if step == 0 else ""
    return FileError(
        f"{message}: {twice}the clock was set back by an hour at the end of daylight saving time, and times without a "
        'UTC offset are ambiguous there. Set the time zone under [data], such as zone = "Europe/Berlin", write the '
        "offset with every time, or set ordered = false if the rows are in order"
    )


def seconds(text: Any) -> float:
    """Parse a duration such as "10min"; return seconds.

    Raises:
        UsageError: The text is not a positive number with one of UNITS.
    """
    match = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})\s*", text) if isinstance(text, str) else None
    value = float(match[1]) * UNITS[match[2]] if match else 0.0
    if not 0 < value < np.inf:
        raise UsageError(
            f"{text!r} is not a duration; expected a number above 0 and one of {', '.join(UNITS)}, such as '10min'"
        )
    return value


def duration(value: float) -> str:
    """Seconds as text, in the largest unit that gives at least 1."""
    unit = max((unit for unit in UNITS if UNITS[unit] <= abs(value)), key=UNITS.__getitem__, default="ms")
    return f"{value / UNITS[unit]:.4g} {unit}"


def _longer(interval: float) -> str:
    """A round duration of at least two intervals."""
    steps = [f"{n}{unit}" for unit in UNITS for n in (1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500)]
    return min((each for each in steps if seconds(each) >= 2 * interval), key=seconds, default="500d")
