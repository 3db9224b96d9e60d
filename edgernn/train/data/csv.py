"""Recordings in CSV or Parquet files, cut into windows with one class each."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import LogMagnitude
from edgernn.errors import FileError, UsageError
from edgernn.train.data import table
from edgernn.train.data.features import standardized
from edgernn.train.data.folder import LabelledFile, files, labelled_files
from edgernn.train.data.sequences import Data, Sequences, number_labels
from edgernn.train.data.split import Split
from edgernn.train.data.table import Column, Table


@dataclass(frozen=True)
class Recording:
    """Consecutive rows of one class: (rows, columns) float32."""

    frames: NDArray[Any]
    label: str
    group: str
    sources: Sequence[str]  # of each row


def read(
    path: str | os.PathLike[str],
    *,
    pattern: str = "{label}/{name}",
    label_column: Column = "",
    group_column: Column = "",
    columns: Sequence[Column] = (),
    header: bool = True,
    separator: str = ",",
    rows: int = 0,
    stride: int = 0,
    log_magnitude: float = 0.0,
    period_ms: float | None = None,
    test_every: int = 0,
    test_groups: Sequence[str] = (),
    test_share: float = 0.0,
    seed: int = 0,
) -> Data:
    """Read a file or all files below a folder: float32 (rows, columns) windows with one class each.

    A feature cell standardizes the columns. A recording is a file, or with `label_column` consecutive rows with the
    same class and group. Whole recordings, and with groups whole groups, are held out, so no window of the test part
    overlaps a window of the training part.

    Args:
        path: a .csv or .parquet file, or a folder of them.
        pattern: the pattern of file paths below the folder that names the class; see `folder.labelled_files`.
        label_column: the column with the class. The pattern is not used then.
        group_column: the column with the group, such as a person; it needs label_column.
        columns: the columns of a frame, by name or by number from 0; by default all but label and group.
        header: whether the first line of a CSV file has the column names.
        separator: the separator of the cells of a CSV line.
        rows: the number of rows of a window; 0 for whole recordings. Shorter runs of a label_column are skipped.
        stride: the number of rows from one window to the next; 0 for adjacent windows.
        log_magnitude: the floor of a `LogMagnitude` as the first feature cell, in the squared unit of the columns; 0
            for none.
        period_ms: the time between rows, if known.
        test_every: hold out every n-th recording in the order of the files. Exactly one test key is set.
        test_groups: hold out all recordings of these groups, such as persons.
        test_share: hold out this random share of the groups, or of the recordings if no groups are known.
        seed: the seed of that draw.

    Raises:
        FileError: A file cannot be read or is too short, a row has too many or too few cells, or a cell is not a finite
            number; with the line.
        UsageError: The options are inconsistent, or a column or group does not exist.
    """
    if rows < 0 or stride < 0 or (stride and not rows):
        raise UsageError(f"rows is {rows} and stride {stride}; expected both at least 0, and a stride only with rows")
    if group_column != "" and label_column == "":
        raise UsageError("group_column needs label_column; without it, {group} in the pattern names the group")
    split = Split(every=test_every, groups=test_groups, share=test_share, seed=seed)

    def read_file(file: str | os.PathLike[str]) -> Table:
        return table.read_table(file, header=header, separator=separator)

    if label_column == "":
        recordings = [
            _whole(read_file(each.path), each, columns, rows) for each in labelled_files(path, table.SUFFIXES, pattern)
        ]
    else:
        tables = map(read_file, files(path, table.SUFFIXES))
        recordings = [run for each in tables for run in _runs(each, label_column, group_column, columns, rows)]
        if not recordings:
            raise FileError(f"'{path}' has no run of {rows} rows of one class; use a smaller rows")
    mask = split.mask([each.group for each in recordings])
    labels = number_labels([each.label for each in recordings])[0]
    train, test = (
        _windows([each for each, held in zip(recordings, mask, strict=True) if held == part], labels, rows, stride)
        for part in (False, True)
    )
    inputs = train.frames[0].shape[1]
    before = (("magnitude", LogMagnitude(inputs, log_magnitude)),) if log_magnitude else ()
    exact = standardized(before, train.frames)
    return Data(train, test, "class", inputs, len(labels), labels, period_ms=period_ms, exact=exact)


def starts(n: int, rows: int, stride: int) -> range:
    """The first rows of the windows of n rows. No window ends after the last row."""
    return range(0, n - rows + 1, stride)


def _windows(recordings: Sequence[Recording], labels: Sequence[str], rows: int, stride: int) -> Sequences:
    cut = [
        (each.frames[at : at + (rows or len(each.frames))], labels.index(each.label), each.sources[at])
        for each in recordings
        for at in (starts(len(each.frames), rows, stride or rows) if rows else (0,))
    ]
    frames, classes, sources = zip(*cut, strict=True)
    return Sequences(frames, np.array(classes, np.int64), sources)


def _whole(rows_read: Table, file: LabelledFile, columns: Sequence[Column], rows: int) -> Recording:
    if len(rows_read) < rows:
        raise FileError(f"'{file.path}' has {len(rows_read)} rows, fewer than a window of {rows}; use a smaller rows")
    frames = rows_read.numbers(columns or range(len(rows_read.names))).astype(np.float32)
    return Recording(frames, file.label, file.group, [rows_read.at(row) for row in range(len(rows_read))])


def _runs(source: Table, label: Column, group: Column, columns: Sequence[Column], rows: int) -> Iterator[Recording]:
    other = {source.find(each) for each in (label, group) if each != ""}
    frames = source.numbers(columns or [k for k in range(len(source.names)) if k not in other]).astype(np.float32)
    labels = source.text(label)
    groups = source.text(group) if group != "" else [""] * len(source)
    for _, run in groupby(range(len(source)), key=lambda row: (labels[row], groups[row])):
        indices = list(run)
        if not labels[indices[0]]:
            raise FileError(f"{source.at(indices[0])}: column {label!r} is empty; expected the class of the row")
        if len(indices) >= rows:
            where = [source.at(row) for row in indices]
            yield Recording(frames[indices], labels[indices[0]], groups[indices[0]] or where[0], where)
