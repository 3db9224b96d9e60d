"""The times of rows: instants, to order and to measure by, and the wall time, for the calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.train.data.table import Column, Table

Array = NDArray[Any]

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)  # so that a week of the calendar begins at 0


@dataclass(frozen=True, eq=False)
class Times:
    """When each row was measured.

    Attributes:
        instants: float64 (rows,) seconds since MONDAY, in UTC where `absolute`; else of a clock of unknown zone.
        walls: float64 (rows,) seconds since MONDAY 00:00 as the clock on the wall shows them.
        cells: as the file has them.
        absolute: whether the instants are known, by an offset in each cell or by a zone.
    """

    instants: Array
    walls: Array
    cells: Sequence[str]
    absolute: bool

    def moved(self, rows: Array, by: Array) -> "Times":
        """Those of some rows (n,), each so many seconds (n,) later; the cells are as the file has them."""
        cells = [self.cells[k] for k in rows]
        return Times(self.instants[rows] + by, self.walls[rows] + by, cells, self.absolute)


def read(rows: Table, column: Column, zone: str = "") -> Times:
    """The times in a column, ISO 8601, in the order of the file.

    Args:
        rows: the table.
        column: with times that all have a UTC offset, or that all have none.
        zone: of the place, such as "Europe/Berlin". Times without an offset are read as its wall time: in an hour that
            the clock shows twice a row is in the first pass unless that is not after the row before. Times with an
            offset keep their instant, and their wall time becomes that of the zone.

    Raises:
        UsageError: there is no such column or zone.
        FileError: a cell that is no time, or that the clock of the zone never shows; some times with an offset and
            some without; with the line.
    """
    cells = rows.text(column)
    place = _zone(zone) if zone else None
    instants, walls = np.empty(len(cells)), np.empty(len(cells))
    absolute = False
    for k, cell in enumerate(cells):
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError as error:
            raise FileError(
                f"{rows.at(k)}: column {column!r} holds {cell!r}; expected a time such as 2014-07-01 00:30:00"
            ) from error
        if k and (moment.tzinfo is not None) != absolute:
            raise FileError(
                f"{rows.at(k)}: the time {cell} has {_offset(not absolute)}, and {cells[k - 1]} before it has "
                f"{_offset(absolute)}; expected one kind: write the UTC offset with every time"
            )
        absolute = moment.tzinfo is not None
        if place is not None:
            moment = _placed(rows.at(k), moment, place, instants[k - 1] if k else -np.inf)
        instants[k], walls[k] = instant(moment), wall(moment)
    return Times(instants, walls, cells, absolute or place is not None)


def instant(moment: datetime) -> float:
    """Seconds from MONDAY in UTC; of a time without an offset, as if it were UTC."""
    return ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - MONDAY).total_seconds()


def wall(moment: datetime) -> float:
    """Seconds from MONDAY 00:00 to what the clock on the wall shows."""
    return instant(moment.replace(tzinfo=None))


def _placed(at: str, moment: datetime, place: ZoneInfo, before: float) -> datetime:
    """A moment in a zone; where its clock shows the time twice, the pass after the instant `before`, or else the first.

    Raises:
        FileError: its clock never shows the time.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(place)
    first, second = (moment.replace(tzinfo=place, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(place).replace(tzinfo=None) != moment:
        raise FileError(
            f"{at}: the clock in {place.key} never shows {moment}, since it is set forward over that hour; expected "
            "wall times of the zone: give the zone of the file, or write UTC offsets"
        )
    return second if instant(first) <= before < instant(second) else first


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        near = get_close_matches(str(name), available_timezones(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"there is no time zone {name!r}; {hint}expected a name of the IANA database, such as 'Europe/Berlin'"
        ) from error


def _offset(there: bool) -> str:
    return "a UTC offset" if there else "no UTC offset"
