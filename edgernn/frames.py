"""Files of frames: .npy and .csv, a frame a row, as people have them; and .npz of several sequences."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn import disk
from edgernn.arrays import load_npy, load_npz
from edgernn.errors import FileError, UsageError

Array = NDArray[Any]


def frames(path: str, dtype: str) -> Iterator[Array]:
    """The frames of a file, each (inputs,) of the dtype that a model reads, "float32" or "int32".

    Raises:
        UsageError: another suffix than .npy or .csv.
        FileError: the file cannot be read, or holds something else; a line of text is named.
    """
    suffix = Path(path).suffix
    if suffix == ".csv":
        return _csv(path, dtype)
    if suffix == ".npy":
        return _npy(path, dtype)
    raise UsageError(f"no frames can be read from '{path}'; there are .npy and .csv")


def parsed(lines: Iterable[str], name: str, dtype: str) -> Iterator[Array]:
    """A frame of each line that is not empty, numbers with commas between them; `name` is what a message calls them.

    Raises:
        FileError: a line that holds something else.
    """
    number = 0
    try:
        for line in lines:
            number += 1
            if line.strip():
                yield np.array([_number(field, dtype) for field in line.split(",")], dtype)
    except (ValueError, OverflowError) as error:
        at = f"line {number + isinstance(error, UnicodeDecodeError)}"
        raise FileError(f"{name}, {at}: {error}; expected numbers with commas between them") from error


def _number(text: str, dtype: str) -> Any:
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as such where it is used
        return np.dtype(dtype).type(text)


def sequences(path: str, dtype: str) -> tuple[Array, ...]:
    """The sequences of a file, each (time, inputs): one in every array of an .npz, by their names, or all of another.

    Raises:
        UsageError: another suffix than .npy, .csv or .npz.
        FileError: as `frames`; frames of several widths, or none.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        arrays = load_npz(disk.read(path), path)
        found = [_checked(array, f"array '{name}' of '{path}'", dtype) for name, array in sorted(arrays.items())]
    elif suffix in {".npy", ".csv"}:
        rows = list(frames(path, dtype))
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            raise FileError(f"'{path}' has frames of {' and '.join(map(str, widths))} values; expected one width")
        found = [np.stack(rows)] if rows else []
    else:
        raise UsageError(f"no sequences can be read from '{path}'; there are .npy, .csv and .npz")
    if not found:
        raise FileError(f"'{path}' holds no frames; expected some, (time, inputs)")
    return tuple(found)


def _npy(path: str, dtype: str) -> Iterator[Array]:
    return iter(_checked(load_npy(disk.read(path), path), f"'{path}'", dtype))


def _checked(held: Array, name: str, dtype: str) -> Array:
    fits = held.ndim == 2 and np.can_cast(held.dtype, dtype, "same_kind")
    if not fits or (dtype == "int32" and np.any(held != held.astype(dtype))):
        raise FileError(f"{name} holds {held.dtype} of shape {held.shape}; expected {dtype} of shape (time, inputs)")
    with np.errstate(over="ignore"):  # as in `_number`
        return held.astype(dtype)


def _csv(path: str, dtype: str) -> Iterator[Array]:
    try:
        text = disk.read(path).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not text: {error}; expected one frame a line, with commas") from error
    return parsed(text.splitlines(), f"'{path}'", dtype)
