"""The known anomalies of a series: time ranges in which something was wrong."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.files import atomic, bounded_json
from edgernn.files.spelling import misspelt
from edgernn.train.data import times
from edgernn.train.data.times import Times

TimeRange = tuple[datetime, datetime]
"""(start, end): instants if both have a UTC offset, otherwise wall times of the series."""


@dataclass(frozen=True, eq=False)
class TimedWindow:
    """A window in seconds of its own clock: its ends and the time of each row (n,)."""

    start: float
    end: float
    rows: Array

    @classmethod
    def of(cls, window: TimeRange, series: Times) -> "TimedWindow":
        """Convert a window to the clock of a series.

        Raises:
            UsageError: The window has a UTC offset, and the series has none.
        """
        instants = {end.tzinfo is not None for end in window} == {True}
        if instants and not series.absolute:
            raise UsageError(
                f"the window from {window[0]} to {window[1]} has a UTC offset, and the times of the series, such as "
                f"{series.cells[0]}, have none; expected both with an offset, or both without: set zone"
            )
        start, end = map(times.instant if instants else times.wall, window)
        return cls(start, end, series.instants if instants else series.walls)

    @property
    def holds(self) -> Array:
        """bool (n,), whether each row is inside."""
        inside: Array = (self.start <= self.rows) & (self.rows <= self.end)
        return inside

    @property
    def middle(self) -> float:
        """The middle in seconds."""
        return (self.start + self.end) / 2

    def middle_in(self, part: slice) -> bool:
        """Whether the middle lies in a part: from its first row to before the first row of the next part."""
        whole = np.append(self.rows, np.inf if self.middle <= self.rows[-1] else self.rows[-1])
        return bool(whole[part.start] <= self.middle < whole[part.stop])


def known_windows(path: str | os.PathLike[str], series: str | os.PathLike[str]) -> list[TimeRange]:
    """Read the windows of a series from NAB's combined_windows.json.

    Args:
        path: JSON of {"folder/file.csv": [[start, end], ...]}.
        series: the file of the series; its name is the key, without the folder.

    Raises:
        FileError: The file is not such JSON, or has no entry for the series.
    """
    try:
        document = bounded_json.loads(atomic.read(path))
        by_name = {Path(key).name: windows for key, windows in document.items()}
        name = Path(series).name
        if name not in by_name:
            raise FileError(f"'{path}' has no windows of '{name}'; {misspelt(name, by_name)}")
        return [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in by_name[name]]
    except (ValueError, AttributeError, TypeError) as error:
        raise FileError(
            f"'{path}' is not a list of windows: {error}; expected JSON of file names and their [start, end], such as "
            "NAB's combined_windows.json"
        ) from error
