"""The .ts format of sktime: sequences of several dimensions and different lengths, with one class each."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn.train.data.features import standardized
from edgernn.train.data.folder import files
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.table import text


def read(path: str | os.PathLike[str], *, period_ms: float | None = None) -> Data:
    """Read a folder with one `NAME_TRAIN.ts` and `NAME_TEST.ts`: float32 (time, dimensions) with one class each.

    The format is that of `sktime.datasets.load_from_tsfile`, without timestamps and missing values. A feature cell
    standardizes the dimensions.

    Args:
        path: the folder.
        period_ms: the time between frames, if known.

    Raises:
        FileError: A file is missing, truncated or invalid; with the line.
    """
    train, test = (_part(path, part) for part in ("_TRAIN.ts", "_TEST.ts"))
    if train[1] != test[1]:
        raise FileError(
            f"'{path}': the training part has the classes {', '.join(train[1])}, and the test part "
            f"{', '.join(test[1])}; expected equal classes"
        )
    labels, sequences = train[1], train[0]
    exact = standardized((), sequences.frames)
    return Data(
        sequences, test[0], "class", sequences.frames[0].shape[1], len(labels), labels, period_ms=period_ms, exact=exact
    )


def _part(path: str | os.PathLike[str], end: str) -> tuple[Sequences, tuple[str, ...]]:
    matches = [each for each in files(path, (".ts",)) if each.name.upper().endswith(end.upper())]
    if len(matches) != 1:
        raise FileError(f"'{path}' has {len(matches)} files that end in {end}; expected one")
    return parse(matches[0])


def parse(path: Path) -> tuple[Sequences, tuple[str, ...]]:
    """Parse one file: its sequences and the names of its classes.

    Raises:
        FileError: The file is invalid, or has missing values; with the line.
    """
    header: dict[str, list[str]] = {}
    lines = _lines(path)
    for number, line in lines:
        if not line.startswith("@"):
            raise FileError(f"'{path}', line {number}: data before @data; check the file")
        key, *values = line[1:].split()
        if key.lower() == "data":
            break
        header[key.lower()] = values
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
        raise FileError(f"'{path}' has timestamps, which are not supported; expected @timeStamps false")
    has, *names = header.get("classlabel", ["false"])
    if has.lower() != "true" or not names:
        raise FileError(f"'{path}' has no classes; expected a line such as '@classLabel true 1 2 3'")
    return tuple(names)


def _case(source: str, line: str, labels: tuple[str, ...], header: dict[str, list[str]]) -> tuple[Array, int, str]:
    *dimensions, label = line.split(":")
    if label.strip() not in labels:
        raise FileError(
            f"{source}: the class {label.strip()[:40]!r} is not one of {', '.join(labels)}; the line may be truncated"
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
        raise FileError(f"{source}: a value is missing or not finite; expected finite numbers")
    return frames, labels.index(label.strip()), source
