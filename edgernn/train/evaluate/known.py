"""What is known of a series: windows in which something was wrong."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.files import atomic, bounded_json
from edgernn.files.spelling import misspelt
from edgernn.train.data import times
from edgernn.train.data.times import Times

Array = NDArray[Any]

Window = tuple[datetime, datetime]
"""Its ends: instants where both have a UTC offset, and else what the wall clock of the series shows."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A window on the clock that it is told by: seconds of its ends, and of each row (n,)."""

    start: float
    end: float
    rows: Array

    @classmethod
    def of(cls, window: Window, when: Times) -> "Placed":
        """A window among the rows of a series.

        Raises:
            UsageError: a window with a UTC offset, and a series without.
        """
        instants = {end.tzinfo is not None for end in window} == {True}
        if instants and not when.absolute:
            raise UsageError(
                f"a window from {window[0]} to {window[1]} arrived, and the times of the series, such as "
                f"{when.cells[0]}, have no UTC offset; expected both with one, or windows without: name the zone"
            )
        start, end = map(times.instant if instants else times.wall, window)
        return cls(start, end, when.instants if instants else when.walls)

    @property
    def holds(self) -> Array:
        """bool (n,), whether a row is inside."""
        inside: Array = (self.start <= self.rows) & (self.rows <= self.end)
        return inside

    @property
    def middle(self) -> float:
        """Seconds on that clock."""
        return (self.start + self.end) / 2

    def middle_in(self, part: slice) -> bool:
        """Whether its middle lies in a part of the rows: from its first row to before the first of the next part."""
        whole = np.append(self.rows, np.inf if self.middle <= self.rows[-1] else self.rows[-1])
        return bool(whole[part.start] <= self.middle < whole[part.stop])


def known_windows(path: str | os.PathLike[str], series: str | os.PathLike[str]) -> list[Window]:
    """The windows of a series in NAB's combined_windows.json: (start, end) of each.

    Args:
        path: JSON of {"folder/file.csv": [[start, end], ...]}.
        series: the file of the series, found by its name, whatever its folder.

    Raises:
        FileError: no such JSON, or the series is not in it.
    """
    try:
        said = bounded_json.loads(atomic.read(path))
        named = {Path(key).name: windows for key, windows in said.items()}
        wanted = Path(series).name
        if wanted not in named:
            raise FileError(f"'{path}' has no windows of '{wanted}'; {misspelt(wanted, named)}")
        return [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in named[wanted]]
    except (ValueError, AttributeError, TypeError) as error:
        raise FileError(
            f"'{path}' is no list of windows: {error}; expected JSON of a file's name and its [start, end], as NAB's "
            "combined_windows.json"
        ) from error
