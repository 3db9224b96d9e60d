"""The times of rows: instants for order and intervals, and wall times for the calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.train.data.table import Column, Table

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)  # a week of the calendar begins at 0


@dataclass(frozen=True, eq=False)
class Times:
    """The time of each row.

    Attributes:
        instants: float64 (rows,) seconds since MONDAY, in UTC if `absolute`, otherwise in an unknown time zone.
        walls: float64 (rows,) seconds since MONDAY 00:00 of the wall clock.
        cells: the cells of the file.
        absolute: whether the instants are known, by an offset in each cell or by a time zone.
    """

    instants: Array
    walls: Array
    cells: Sequence[str]
    absolute: bool

    def shifted(self, rows: Array, by: Array) -> "Times":
        """The times of some rows (n,), each shifted by seconds (n,). The cells are not changed."""
        cells = [self.cells[k] for k in rows]
        return Times(self.instants[rows] + by, self.walls[rows] + by, cells, self.absolute)


def parse_times(rows: Table, column: Column, zone: str = "") -> Times:
    """Parse a column of ISO 8601 times, in the order of the file.

    Args:
        rows: the table.
        column: the column; all of its times have a UTC offset, or none has.
        zone: the time zone, such as "Europe/Berlin". Times without an offset are wall times of the zone; in an hour
            that occurs twice, a row is in the first pass unless that is not after the row before. Times with an offset
            keep their instant and get the wall time of the zone.

    Raises:
        UsageError: The column or the zone does not exist.
        FileError: A cell is not a time or does not exist in the zone, or only some times have an offset; with the line.
    """
    cells = rows.text(column)
    timezone = _zone(zone) if zone else None
    instants, walls = np.empty(len(cells)), np.empty(len(cells))
    absolute = False
    for k, cell in enumerate(cells):
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError as error:
            raise FileError(
                f"{rows.at(k)}: column {column!r} has {cell!r}; expected a time such as 2014-07-01 00:30:00"
            ) from error
        if k and (moment.tzinfo is not None) != absolute:
            raise FileError(
                f"{rows.at(k)}: the time {cell} has {_offset(not absolute)}, and {cells[k - 1]} before it has "
                f"{_offset(absolute)}; write the UTC offset with every time"
            )
        absolute = moment.tzinfo is not None
        if timezone is not None:
            moment = _in_timezone(rows.at(k), moment, timezone, instants[k - 1] if k else -np.inf)
        instants[k], walls[k] = instant(moment), wall(moment)
    return Times(instants, walls, cells, absolute or timezone is not None)


def instant(moment: datetime) -> float:
    """Seconds since MONDAY in UTC. A time without an offset counts as UTC."""
    return ((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - MONDAY).total_seconds()


def wall(moment: datetime) -> float:
    """Seconds since MONDAY 00:00 of the wall clock."""
    return instant(moment.replace(tzinfo=None))


def _in_timezone(at: str, moment: datetime, timezone: ZoneInfo, before: float) -> datetime:
    """A moment in a time zone. If it occurs twice, the second pass if the first is not after the instant `before`.

    Raises:
        FileError: The time does not exist in the zone.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(timezone)
    first, second = (moment.replace(tzinfo=timezone, fold=fold) for fold in (0, 1))
    if first.astimezone(UTC).astimezone(timezone).replace(tzinfo=None) != moment:
        raise FileError(
            f"{at}: the time {moment} does not exist in {timezone.key}, because the clock is set forward over that "
            "hour; set zone to the time zone of the file, or write UTC offsets"
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
