"""How a series is sampled: the interval from row to row, the gaps in it, and means over longer intervals."""

import re
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.train.data.table import Table
from edgernn.train.data.times import Times

Array = NDArray[Any]

JITTER = 0.25  # of the interval: a row that comes no more than this too early or too late is on time
MOST = 2 / 3  # of the rows are on time, or the sampling is irregular
HOUR = 3600.0
UNITS = MappingProxyType({"ms": 0.001, "s": 1.0, "min": 60.0, "h": HOUR, "d": 24 * HOUR})


@dataclass(frozen=True, eq=False)
class Sampling:
    """The rows of a series in time.

    Attributes:
        interval: seconds from a row to the next: the median of the differences.
        elapsed: float64 (rows,) seconds since the first row. A row whose time is not after the one before, where that
            is allowed, counts as one interval later.
        starts: int64, the rows that do not follow the one before by one interval, and so begin a run; 0 is the first.
        gaps: how many of these come late; more than 1 + JITTER intervals after the row before.
        missing: seconds in all gaps, each less one interval.
        early: how many come less than 1 - JITTER intervals after the row before, as after a restart.
        setbacks: rows whose time is not after the one before.
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
        """What a user must know, a sentence each; nothing where every row is on time."""
        every = duration(self.interval)
        said = {
            f"Gaps in time: {self.gaps}, {duration(self.missing)} in all, where rows are more than {every} apart. No "
            "sequence and no forecast crosses one.": self.gaps,
            f"Rows that came before {every} had passed: {self.early}. Each begins a new sequence.": self.early,
            f"Rows whose time is not after the one before: {self.setbacks}. Each is taken as {every} later, as where "
            "a clock was set back.": self.setbacks,
        }
        return tuple(note for note, count in said.items() if count)


def runs(starts: Array, begin: int, end: int) -> list[slice]:
    """The runs of the rows from `begin` to before `end`, as slices, none empty."""
    inside = starts[(starts > begin) & (starts < end)].tolist()
    return [slice(*edges) for edges in pairwise([begin, *inside, end])]


def of(rows: Table, times: Times, ordered: bool) -> Sampling:
    """The sampling of rows, however irregular; see `check`.

    Args:
        rows: the table.
        times: of its rows.
        ordered: whether a time that is not after the one before is refused.

    Raises:
        FileError: times out of order, with the line; a single row, or no time after the one before.
    """
    steps = np.diff(times.instants)
    back = steps <= 0
    if back.all():
        raise FileError(
            f"'{rows.path}' has {len(rows)} rows, and no time that is after the one before; expected a series in the "
            "order of time: sort the rows"
        )
    interval = float(np.median(steps[~back]))
    if ordered and back.any():
        raise _disorder(rows, times, int(np.flatnonzero(back)[0]) + 1, interval)
    return _sampling(np.where(back, interval, steps), interval, int(back.sum()))


def check(rows: Table, times: Times, found: Sampling) -> None:
    """Refuse rows of which less than MOST follow the one before by the interval.

    Raises:
        FileError: they do; with the first line that does not, and the two times.
    """
    off = len(found.starts) - 1 + found.setbacks
    if off <= (1 - MOST) * (len(rows) - 1):
        return
    steps = np.diff(times.instants)
    k = int(np.flatnonzero(np.abs(steps - found.interval) > JITTER * found.interval)[0]) + 1
    raise FileError(
        f"{rows.at(k)}: the time {times.cells[k]} is {duration(steps[k - 1])} after {times.cells[k - 1]}, and the "
        f"median is {duration(found.interval)}: of {len(rows) - 1:,} rows {off:,} are not on time, so the sampling is "
        f'irregular; ask for means with resample = "{_longer(found.interval)}" or longer under [data], or say '
        'time = "" where every row counts as one step'
    )


def resampled(rows: Table, found: Sampling, every: float) -> tuple[Sampling, Array, Array]:
    """The sampling by intervals around whole multiples of `every` from the first row; (rows,) the interval of each row.

    An interval without a row is a gap: no value is made up, since one drawn between its neighbours would show a model
    what comes. So each interval has the mean of its rows, and none is shorter than the rows are apart.

    Args:
        rows: the table.
        found: how it is sampled.
        every: seconds.

    Returns:
        The sampling, the number of the interval of each row, and the first row of each interval.

    Raises:
        UsageError: intervals that are shorter than rows are apart.
    """
    if every < (1 - JITTER) * found.interval:
        raise UsageError(
            f"resample is {duration(every)}, but the rows of '{rows.path}' are {duration(found.interval)} apart at the "
            "median; values between them would be made up: expected at least that"
        )
    multiples, firsts, places = np.unique(np.floor(found.elapsed / every + 0.5), return_index=True, return_inverse=True)
    return _sampling(np.diff(multiples) * every, every, found.setbacks), places, firsts


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
    """Why a time is not after the one before, and what to do."""
    step = times.instants[k] - times.instants[k - 1]
    said = f"{rows.at(k)}: the time {times.cells[k]} is not after {times.cells[k - 1]}"
    if times.absolute or abs(step - (interval - HOUR)) > JITTER * interval:
        return FileError(f"{said}; sort the rows, or say ordered = false")
    twice = "a row is there twice, or " if step == 0 else ""
    return FileError(
        f"{said}: {twice}the clock was set back by an hour, as at the end of daylight saving time, and times without "
        'a UTC offset do not tell the two passes apart; name the place with zone = "Europe/Berlin" or another under '
        "[data], write the offset with every time, or say ordered = false where the rows follow one another"
    )


def seconds(given: Any) -> float:
    """The seconds in a duration such as "10min".

    Raises:
        UsageError: no positive number with one of UNITS.
    """
    found = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*({'|'.join(UNITS)})\s*", given) if isinstance(given, str) else None
    value = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < value < np.inf:
        raise UsageError(
            f"{given!r} is no duration; expected a number above 0 and one of {', '.join(UNITS)}, such as '10min'"
        )
    return value


def duration(value: float) -> str:
    """Seconds in words, in the largest unit of which there is at least one."""
    unit = max((unit for unit in UNITS if UNITS[unit] <= abs(value)), key=UNITS.__getitem__, default="ms")
    return f"{value / UNITS[unit]:.4g} {unit}"


def _longer(interval: float) -> str:
    """A round duration of at least two intervals."""
    steps = [f"{n}{unit}" for unit in UNITS for n in (1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500)]
    return min((each for each in steps if seconds(each) >= 2 * interval), key=seconds, default="500d")
