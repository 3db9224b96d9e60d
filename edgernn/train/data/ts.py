"""The .ts format of sktime: sequences of several dimensions, of different lengths, with a class each."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError
from edgernn.train.data.features import standardized
from edgernn.train.data.folder import files
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.table import text

Array = NDArray[Any]


def read(path: str | os.PathLike[str], *, period_ms: float | None = None) -> Data:
    """Read a folder with one `NAME_TRAIN.ts` and `NAME_TEST.ts`: float32 (time, dimensions), standardized by a cell.

    The format of `sktime.datasets.load_from_tsfile`, without timestamps and missing values.

    Args:
        path: the folder.
        period_ms: from one frame to the next, when it is known.

    Raises:
        FileError: a file that is missing, truncated or not of the format; with the line.
    """
    train, test = (_part(path, part) for part in ("_TRAIN.ts", "_TEST.ts"))
    if train[1] != test[1]:
        raise FileError(
            f"'{path}': classes {', '.join(train[1])} to train and {', '.join(test[1])} to test; expected equal"
        )
    labels, sequences = train[1], train[0]
    exact = standardized((), sequences.frames)
    return Data(
        sequences, test[0], "class", sequences.frames[0].shape[1], len(labels), labels, period_ms=period_ms, exact=exact
    )


def _part(path: str | os.PathLike[str], end: str) -> tuple[Sequences, tuple[str, ...]]:
    found = [each for each in files(path, (".ts",)) if each.name.upper().endswith(end.upper())]
    if len(found) != 1:
        raise FileError(f"'{path}' holds {len(found)} files that end in {end}; expected one")
    return parse(found[0])


def parse(path: Path) -> tuple[Sequences, tuple[str, ...]]:
    """One file: its sequences and the names of its classes.

    Raises:
        FileError: not of the format, or with missing values; with the line.
    """
    header: dict[str, list[str]] = {}
    lines = _lines(path)
    for number, line in lines:
        if not line.startswith("@"):
            raise FileError(f"'{path}', line {number}: data before @data; check the file")
        key, *said = line[1:].split()
        if key.lower() == "data":
            break
        header[key.lower()] = said
    labels = _labels(path, header)
    cases = [_case(f"'{path}', line {number}", line, labels, header) for number, line in lines]
    if not cases:
        raise FileError(f"'{path}' has no sequence after @data; it may be truncated")
    frames, classes, sources = zip(*cases, strict=True)
    return Sequences(frames, np.array(classes, np.int64), sources), labels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text(path).splitlines(), 1):
        if line.strip() and not line.startswith(("#", "%")):
            yield number, line.strip()


def _labels(path: Path, header: dict[str, list[str]]) -> tuple[str, ...]:
    if header.get("timestamps", ["false"]) != ["false"]:
        raise FileError(f"'{path}' has timestamps; expected @timeStamps false: a frame is all that a step knows")
    has, *names = header.get("classlabel", ["false"])
    if has.lower() != "true" or not names:
        raise FileError(f"'{path}' has no classes; expected a line such as '@classLabel true 1 2 3'")
    return tuple(names)


def _case(source: str, line: str, labels: tuple[str, ...], header: dict[str, list[str]]) -> tuple[Array, int, str]:
    *dimensions, label = line.split(":")
    if label.strip() not in labels:
        raise FileError(
            f"{source}: the class {label.strip()[:40]!r} is not among {', '.join(labels)}; it may be truncated"
        )
    try:
        columns = [np.array(cells.split(",")).astype(np.float32) for cells in dimensions]
    except ValueError as error:
        raise FileError(f"{source}: {error}; expected numbers") from error
    declared = int((header.get("dimensions") or header.get("dimension") or ["1"])[0])
    lengths = sorted({len(column) for column in columns})
    if len(columns) != declared or len(lengths) != 1:
        raise FileError(
            f"{source}: {len(columns)} dimensions of {' and '.join(map(str, lengths))} values; expected {declared} of "
            "equal length"
        )
    frames = np.stack(columns, axis=1)
    if not np.isfinite(frames).all():
        raise FileError(f"{source}: a value is missing or not finite; mend the data")
    return frames, labels.index(label.strip()), source
