"""The table of a CSV or Parquet file: columns by name or number, with the line of every row."""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt

SUFFIXES = (".csv", ".parquet")

Column = str | int


@dataclass(frozen=True)
class Table:
    """Columns of equal length. The cells of a CSV file are text; those of a Parquet file have its types.

    Attributes:
        path: the file, for messages.
        names: the names of the columns; their numbers in a CSV file without a header.
        columns: the cells of each.
        lines: the line of each row in a CSV file, or its number in a Parquet file.
        unit: "line" or "row".
    """

    path: str
    names: tuple[str, ...]
    columns: tuple[Sequence[Any], ...]
    lines: Sequence[int]
    unit: str

    def __len__(self) -> int:
        return len(self.lines)

    def at(self, row: int) -> str:
        """The file and line of a row, for messages."""
        return f"'{self.path}', {self.unit} {self.lines[row]}"

    def find(self, column: Column) -> int:
        """The index of a column.

        Raises:
            UsageError: The column does not exist.
        """
        if isinstance(column, str) and column in self.names:
            return self.names.index(column)
        if isinstance(column, int) and 0 <= column < len(self.names):
            return column
        raise UsageError(f"'{self.path}' has no column {column!r}; {misspelt(str(column), self.names)}")

    def text(self, column: Column) -> list[str]:
        """The cells of a column as text.

        Raises:
            UsageError: The column does not exist.
        """
        return [str(cell).strip() for cell in self.columns[self.find(column)]]

    def numbers(self, columns: Sequence[Column]) -> NDArray[np.float64]:
        """Some columns as numbers, (rows, columns).

        Raises:
            UsageError: The column does not exist.
            FileError: A cell is not a finite number; with its line.
        """
        return np.stack([self._numbers(self.find(column)) for column in columns], axis=1)

    def _numbers(self, k: int) -> NDArray[np.float64]:
        cells = self.columns[k]
        try:
            numbers = np.array(cells).astype(np.float64)
        except (ValueError, TypeError):
            numbers = np.array([_number(cell) for cell in cells])
        bad = np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))  # NaN is not below either
        if bad.size:
            raise FileError(
                f"{self.at(bad[0])}: column '{self.names[k]}' has {str(cells[bad[0]])!r}; expected a finite number"
            )
        return numbers


def read_table(path: str | os.PathLike[str], *, header: bool = True, separator: str = ",") -> Table:
    """Read a Parquet file (by its suffix) or a CSV file.

    Args:
        path: a .parquet file, or a text file with one row per line.
        header: whether the first line of text has the column names.
        separator: the separator of the cells of a line.

    Raises:
        FileError: The file cannot be read, a row has more or fewer cells than the first, or there are no rows.
    """
    if Path(path).suffix.lower() == ".parquet":
        from edgernn.train.data import parquet

        names, columns = parquet.columns(path)
        table = Table(os.fspath(path), names, columns, range(1, 1 + len(columns[0]) if columns else 1), "row")
    else:
        table = _csv(os.fspath(path), header, separator)
    if not len(table):
        raise FileError(f"'{path}' has no rows; check the file")
    return table


def _csv(path: str, header: bool, separator: str) -> Table:
    lines, rows = [], []
    reader = csv.reader(io.StringIO(text(path), newline=""), delimiter=separator, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                lines.append(reader.line_num)
                rows.append(row)
    except csv.Error as error:
        raise FileError(f"'{path}', line {reader.line_num}: {error}; check the quotes") from error
    if not rows:
        return Table(path, (), (), (), "line")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(rows[0]):
            raise FileError(f"'{path}', line {line}: {len(row)} cells; expected {len(rows[0])}, as in line {lines[0]}")
    names = tuple(map(str, range(len(rows[0]))))
    if header:
        names = tuple(name.strip() for name in rows[0])
        if all(np.isfinite(_number(name)) for name in names):
            raise FileError(f"'{path}', line {lines[0]}: got numbers instead of column names; set header = false")
        lines, rows = lines[1:], rows[1:]
    return Table(path, names, tuple(zip(*rows, strict=True)), lines, "line")


def text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8.

    Raises:
        FileError: The file cannot be read, or is not UTF-8; with the line.
    """
    data = atomic.read(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise FileError(f"'{os.fspath(path)}', line {line}: invalid UTF-8; save the file as UTF-8") from error


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (ValueError, TypeError):
        return float("nan")
