"""Recordings in CSV or Parquet files, cut into windows with a class each."""

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
from edgernn.train.data.folder import Named, files, named
from edgernn.train.data.sequences import Data, Sequences, numbered
from edgernn.train.data.split import Split
from edgernn.train.data.table import Column, Table


@dataclass(frozen=True)
class Recording:
    """Rows that follow one another, of one class: (rows, columns) float32."""

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
    """Read a file, or all below a folder: float32 (rows, columns) windows, a class each, standardized by an exact cell.

    A recording is a file, or with `label_column` the rows in which class and group stay the same. Whole recordings are
    held out, and with groups whole groups, so that no window of the test part overlaps one of the training part.

    Args:
        path: .csv or .parquet files.
        pattern: how the path of a file below the folder names its class; see `folder.named`.
        label_column: the column with the class; then the pattern is not used.
        group_column: the column with the group, such as a person; only with label_column.
        columns: those of a frame, by name or number from 0; all that are no label or group when none are given.
        header: whether the first line of a CSV file has the names of the columns.
        separator: between the cells of a CSV line.
        rows: frames of a window; 0 for whole recordings. Shorter runs of a label_column are passed over.
        stride: rows from one window to the next; 0 for windows side by side.
        log_magnitude: the floor of a `LogMagnitude` before all else, in the columns' unit squared; 0 for none.
        period_ms: from one row to the next, when it is known.
        test_every, test_groups, test_share, seed: the test part; see `Split`.

    Raises:
        FileError: a file that cannot be read, a ragged row, a cell that is no finite number, a file too short; with the
            line.
        UsageError: options that do not fit, a column or group that is not there.
    """
    if rows < 0 or stride < 0 or (stride and not rows):
        raise UsageError(
            f"windows of {rows} rows and a stride of {stride} arrived; expected both at least 0, rows first"
        )
    if group_column != "" and label_column == "":
        raise UsageError("group_column needs label_column; without one the pattern's {group} names the group")
    split = Split(every=test_every, groups=test_groups, share=test_share, seed=seed)

    def opened(file: str | os.PathLike[str]) -> Table:
        return table.read(file, header=header, separator=separator)

    if label_column == "":
        recordings = [_whole(opened(each.path), each, columns, rows) for each in named(path, table.SUFFIXES, pattern)]
    else:
        tables = map(opened, files(path, table.SUFFIXES))
        recordings = [run for each in tables for run in _runs(each, label_column, group_column, columns, rows)]
        if not recordings:
            raise FileError(f"'{path}' has no run of {rows} rows of one class; ask for shorter windows")
    mask = split.mask([each.group for each in recordings])
    labels = numbered([each.label for each in recordings])[0]
    train, test = (
        _windows([each for each, held in zip(recordings, mask, strict=True) if held == part], labels, rows, stride)
        for part in (False, True)
    )
    inputs = train.frames[0].shape[1]
    before = (("magnitude", LogMagnitude(inputs, log_magnitude)),) if log_magnitude else ()
    exact = standardized(before, train.frames)
    return Data(train, test, "class", inputs, len(labels), labels, period_ms=period_ms, exact=exact)


def starts(n: int, rows: int, stride: int) -> range:
    """Where the windows of n rows begin; no window ends after the last row."""
    return range(0, n - rows + 1, stride)


def _windows(recordings: Sequence[Recording], labels: Sequence[str], rows: int, stride: int) -> Sequences:
    cut = [
        (each.frames[at : at + (rows or len(each.frames))], labels.index(each.label), each.sources[at])
        for each in recordings
        for at in (starts(len(each.frames), rows, stride or rows) if rows else (0,))
    ]
    frames, classes, sources = zip(*cut, strict=True)
    return Sequences(frames, np.array(classes, np.int64), sources)


def _whole(read: Table, file: Named, columns: Sequence[Column], rows: int) -> Recording:
    if len(read) < rows:
        raise FileError(f"'{file.path}' has {len(read)} rows, and a window takes {rows}; ask for shorter windows")
    frames = read.numbers(columns or range(len(read.names))).astype(np.float32)
    return Recording(frames, file.label, file.group, [read.at(row) for row in range(len(read))])


def _runs(read: Table, label: Column, group: Column, columns: Sequence[Column], rows: int) -> Iterator[Recording]:
    beside = {read.find(each) for each in (label, group) if each != ""}
    frames = read.numbers(columns or [k for k in range(len(read.names)) if k not in beside]).astype(np.float32)
    labels = read.text(label)
    groups = read.text(group) if group != "" else [""] * len(read)
    for _, run in groupby(range(len(read)), key=lambda row: (labels[row], groups[row])):
        taken = list(run)
        if not labels[taken[0]]:
            raise FileError(f"{read.at(taken[0])}: column {label!r} is empty; expected the class of the row")
        if len(taken) >= rows:
            where = [read.at(row) for row in taken]
            yield Recording(frames[taken], labels[taken[0]], groups[taken[0]] or where[0], where)
