"""Look at the columns of a table: which has times, which a class, which numbers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from edgernn.errors import FileError
from edgernn.train.data import sampling, table, times
from edgernn.train.data.table import Column, Table

SEPARATORS = (",", ";", "\t", "|")
SAMPLE = 200  # cells of a column that are looked at
MOST_CLASSES = 50
LABELS = ("label", "class", "target", "activity", "y")
GROUPS = ("group", "person", "subject", "user", "speaker", "patient", "device", "session")
VALUES = ("value", "y", "target")
WINDOW_S = 2.0  # of a window of rows with times
WEEKS_S, COARSE_S = 14 * 24 * 3600.0, 6 * 3600.0
SMOOTH = 0.5  # deviation of the changes as a part of that of the values, below which changes are forecast
CHUNK = 256


@dataclass(frozen=True)
class Columns:
    """The columns of a table by what they contain; "" for none.

    Attributes:
        rows: the table.
        format_options: the options of a reader that read it.
        time: the column of times.
        label: the column of classes.
        group: the column of groups.
        numbers: the other columns of numbers.
    """

    rows: Table
    format_options: dict[str, Any]
    time: Column
    label: Column
    group: Column
    numbers: tuple[Column, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was recognized."""
        numbers = ", ".join(map(str, self.numbers))
        parts = {"time": self.time, "class": self.label, "group": self.group, "numbers": numbers}
        shown = "; ".join(f"{name}: {column}" for name, column in parts.items() if column != "")
        return (f"{len(self.rows):,} rows with the columns {shown}.",)

    def windows(self, test_share: float, rows: int) -> dict[str, Any]:
        """The section [data] of windows of rows with a class each."""
        options: dict[str, Any] = {"reader": "csv", **self.format_options, "label_column": self.label}
        if self.group != "":
            options["group_column"] = self.group
        if self.time != "":
            interval = sampling.measure(self.rows, times.parse_times(self.rows, self.time), ordered=False).interval
            options["period_ms"] = 1000 * interval
            rows = max(8, round(WINDOW_S / interval)) if interval < 1 else rows
        return options | {
            "columns": list(self.numbers),
            "rows": rows,
            "stride": rows // 2,
            "test_share": test_share,
        }


def look(path: str | os.PathLike[str]) -> Columns:
    """Look at the columns of a CSV or Parquet file.

    Raises:
        FileError: The file cannot be read, or has no column of numbers.
    """
    rows, options = _read(path)
    names: Sequence[Column] = range(len(rows.names)) if options.get("header") is False else rows.names
    cells = [[str(cell).strip() for cell in column[:SAMPLE]] for column in rows.columns]
    time = next((name for name, each in zip(names, cells, strict=True) if all(map(_is_time, each))), "")
    label = next((name for k, name in enumerate(names) if name != time and _is_label(rows, k)), "")
    group = next((name for name in names if str(name).lower() in GROUPS and name != label), "")
    taken = {time, label, group}
    numbers = tuple(
        name for name, each in zip(names, cells, strict=True) if name not in taken and all(map(_is_number, each))
    )
    if not numbers:
        raise FileError(f"'{path}' has no column of numbers; its columns are {', '.join(rows.names)}")
    return Columns(rows, options, time, label, group, numbers)


def series(seen: Columns) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The section [data] of one long series, and remarks about it."""
    value = next((name for name in seen.numbers if str(name).lower() in VALUES), seen.numbers[0])
    options: dict[str, Any] = {"reader": "series", **seen.format_options, "value": value, "time": seen.time}
    remarks = [*seen.remarks]
    if len(seen.numbers) > 1:
        others = ", ".join(str(name) for name in seen.numbers if name != value)
        remarks.append(f"The column to forecast is {value}; set value to another of {others} if that is meant.")
    if seen.time != "":
        measured = sampling.measure(seen.rows, times.parse_times(seen.rows, seen.time), ordered=False)
        remarks.append(f"A row every {sampling.duration(measured.interval)}.")
        if measured.setbacks:
            options["ordered"] = False
        options["calendar"] = measured.elapsed[-1] >= WEEKS_S and measured.interval <= COARSE_S
    values = seen.rows.numbers([value])[:, 0]
    part = float(np.std(np.diff(values)) / (np.std(values) or 1.0))
    options["difference"] = part < SMOOTH
    what = "the change until then" if part < SMOOTH else "the value itself"
    remarks.append(
        f"From row to row the values change by {part:.2f} of their deviation, so the model forecasts {what}, one row "
        "ahead; set horizon for more."
    )
    return options | {"horizon": 1, "chunk": min(CHUNK, max(8, len(seen.rows) // 20))}, tuple(remarks)


def _read(path: str | os.PathLike[str]) -> tuple[Table, dict[str, Any]]:
    """The table, with the options that a reader needs for it."""
    if str(path).lower().endswith(".parquet"):
        return table.read_table(path), {}
    first = next((line for line in table.text(path).splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=first.count)
    options: dict[str, Any] = {} if separator == "," else {"separator": separator}
    if all(map(_is_number, first.split(separator))):
        options["header"] = False
    return table.read_table(path, separator=separator, header=options.get("header", True)), options


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _is_time(cell: str) -> bool:
    """Whether a cell is an ISO 8601 time; a plain number such as 20240101 is none."""
    try:
        return not _is_number(cell) and datetime.fromisoformat(cell) is not None
    except ValueError:
        return False


def _is_label(rows: Table, k: int) -> bool:
    """Whether a column has few distinct texts, or few integers under a name such as "label"."""
    cells = [str(cell).strip() for cell in rows.columns[k]]
    few = 1 < len(set(cells)) <= min(MOST_CLASSES, len(cells) // 4)
    numbers = all(map(_is_number, cells[:SAMPLE]))
    return few and rows.names[k].lower() not in GROUPS and (not numbers or rows.names[k].lower() in LABELS)
