"""Files of frames: .npy and .csv, a frame a row, as people have them; and .npz of several sequences."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.files import atomic
from edgernn.files.arrays import load_npy, load_npz

Array = NDArray[Any]


def frames(path: str, dtype: str) -> Iterator[Array]:
    """The frames of a file, each (inputs,) of the dtype that a model reads, "float32" or "int32".

    Raises:
        UsageError: another suffix than .npy or .csv.
        FileError: the file cannot be read, holds something else, or nothing; a line of text is named.
    """
    suffix = Path(path).suffix
    if suffix == ".csv":
        return _csv(path, dtype)
    if suffix == ".npy":
        return _npy(path, dtype)
    raise UsageError(f"no frames can be read from '{path}'; there are .npy and .csv")


def parsed(lines: Iterable[str], name: str, dtype: str) -> Iterator[Array]:
    """A frame of each line that is not empty, as the reader of CSV files for training takes it.

    Numbers have commas between them, and maybe quotes around them. A cell with nothing in it is a reading that is
    missing: NaN, which a stream refuses or mends as it was told. A byte-order mark is passed over, and so is a first
    line of names, of which none is a number.

    Args:
        lines: of text, whatever ends them; each is read when its frame is asked for.
        name: what a message calls them.
        dtype: as `frames` has it; there is no NaN in int32, so that an empty cell is refused.

    Raises:
        FileError: a line that holds something else; no frame at all.
    """
    number, begun, some = 0, False, False
    try:
        for line in lines:
            number += 1
            cells = _cells(line.removeprefix("\ufeff") if number == 1 else line)
            if cells and (begun or not _names(cells)):
                some = True
                yield np.array([_value(cell, dtype) for cell in cells], dtype)
            begun = begun or bool(cells)
    except (ValueError, OverflowError, csv.Error) as error:
        at = f"line {number + isinstance(error, UnicodeDecodeError)}"
        raise FileError(f"{name}, {at}: {error}; expected numbers with commas between them") from error
    if not some:
        raise FileError(f"{name} holds no frames; expected some, (time, inputs)")


def _cells(line: str) -> list[str]:
    """The cells of a line; none where it is empty."""
    if not line.strip():
        return []
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True, strict=True))]


def _names(cells: Sequence[str]) -> bool:
    """Whether these are names of columns: none is a number, and each has a letter, but that of an index is empty."""
    return any(cells) and all(cell == "" or (not _is_number(cell) and any(map(str.isalpha, cell))) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _value(cell: str, dtype: str) -> Any:
    if cell == "" and dtype == "float32":
        return np.float32("nan")
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as such where it is used
        return np.dtype(dtype).type(cell)


def sequences(path: str, dtype: str) -> tuple[Array, ...]:
    """The sequences of a file, each (time, inputs): one in every array of an .npz, by their names, or all of another.

    Raises:
        UsageError: another suffix than .npy, .csv or .npz.
        FileError: as `frames`; frames of several widths, or no sequence.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        arrays = load_npz(atomic.read(path), path)
        found = [_checked(array, f"array '{name}' of '{path}'", dtype) for name, array in sorted(arrays.items())]
    elif suffix in {".npy", ".csv"}:
        rows = list(frames(path, dtype))
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            raise FileError(f"'{path}' has frames of {' and '.join(map(str, widths))} values; expected one width")
        found = [np.stack(rows)]
    else:
        raise UsageError(f"no sequences can be read from '{path}'; there are .npy, .csv and .npz")
    if not found:
        raise FileError(f"'{path}' holds no array; expected some of shape (time, inputs)")
    return tuple(found)


def _npy(path: str, dtype: str) -> Iterator[Array]:
    return iter(_checked(load_npy(atomic.read(path), path), f"'{path}'", dtype))


def _checked(held: Array, name: str, dtype: str) -> Array:
    fits = held.ndim == 2 and np.can_cast(held.dtype, dtype, "same_kind")
    if not fits or (dtype == "int32" and np.any(held != held.astype(dtype))):
        raise FileError(f"{name} holds {held.dtype} of shape {held.shape}; expected {dtype} of shape (time, inputs)")
    if not len(held):
        raise FileError(f"{name} holds no frames; expected some, (time, inputs)")
    with np.errstate(over="ignore"):  # as in `_value`
        return held.astype(dtype)


def _csv(path: str, dtype: str) -> Iterator[Array]:
    try:
        text = atomic.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not text: {error}; expected one frame a line, with commas") from error
    return parsed(text.splitlines(), f"'{path}'", dtype)
