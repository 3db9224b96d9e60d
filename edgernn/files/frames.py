"""Input frames in files: .npy and .csv with one frame per row, and .npz with several sequences or inputs."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.files import atomic
from edgernn.files.arrays import load_npy, load_npz


def frames(path: str, dtype: str, parts: Mapping[str, int] = MappingProxyType({})) -> Iterator[Array]:
    """Iterate over the frames of a file, each of shape (width,).

    Args:
        path: a .npy or .csv file; several inputs are side by side in it, or the arrays of a .npz by their names.
        dtype: the dtype of the model's input, "float32" or "int32".
        parts: the width of each of several inputs in a frame, by name.

    Raises:
        UsageError: the suffix is another.
        FileError: the file cannot be read, has other content, or is empty; for text, the message has the line.
    """
    suffix = Path(path).suffix
    if suffix == ".csv":
        return _csv(path, dtype)
    if suffix == ".npy":
        return _npy(path, dtype)
    if suffix == ".npz" and parts:
        return iter(_side_by_side(load_npz(atomic.read(path), path), path, dtype, parts))
    npz = ", and .npz for several inputs by name" if suffix == ".npz" else ""
    raise UsageError(f"no frames can be read from '{path}'; there are .npy and .csv{npz}")


def parsed(lines: Iterable[str], name: str, dtype: str) -> Iterator[Array]:
    """Iterate over the frames in lines of CSV, one per line that is not empty; training parses CSV files alike.

    Numbers are separated by commas and may be quoted. An empty cell is a missing value: NaN, which a stream refuses or
    replaces, by its `on_bad_input`. A byte-order mark is skipped, and so is a first line of column names, where no cell
    is a number.

    Args:
        lines: lines of text with any line ending; each is read when its frame is requested.
        name: the source of the lines, for error messages.
        dtype: "float32" or "int32"; an empty cell is refused for int32, which has no NaN.

    Raises:
        FileError: a line has other content, or there is no frame.
    """
    number, begun, any_frame = 0, False, False
    try:
        for line in lines:
            number += 1
            cells = _cells(line.removeprefix("\ufeff") if number == 1 else line)
            if cells and (begun or not _names(cells)):
                any_frame = True
                yield np.array([_value(cell, dtype) for cell in cells], dtype)
            begun = begun or bool(cells)
    except (ValueError, OverflowError, csv.Error) as error:
        at = f"line {number + isinstance(error, UnicodeDecodeError)}"
        raise FileError(f"{name}, {at}: {error}; expected numbers with commas between them") from error
    if not any_frame:
        raise FileError(f"{name} holds no frames; expected some, (time, inputs)")


def _cells(line: str) -> list[str]:
    """Return the cells of a line; an empty list for an empty line."""
    if not line.strip():
        return []
    return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True, strict=True))]


def _names(cells: Sequence[str]) -> bool:
    """Return whether cells are column names: no cell is a number; each has a letter, or is empty as for an index."""
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
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite; the stream refuses it
        return np.dtype(dtype).type(cell)


def sequences(path: str, dtype: str, parts: Mapping[str, int] = MappingProxyType({})) -> tuple[Array, ...]:
    """Return the sequences of a file, each of shape (time, width).

    Each array of a .npz file is a sequence, in the order of their names; or one of several inputs, where it has the
    name of one. A .npy or .csv file is one sequence.

    Args:
        path: a .npy, .csv or .npz file.
        dtype: the dtype of the model's input, "float32" or "int32".
        parts: as in `frames`.

    Raises:
        UsageError: another suffix.
        FileError: as in `frames`; also frames of several widths, or no sequence.
    """
    suffix = Path(path).suffix
    if suffix == ".npz":
        arrays = load_npz(atomic.read(path), path)
        if parts.keys() & arrays.keys():
            return (_side_by_side(arrays, path, dtype, parts),)
        loaded = [_checked(array, f"array '{name}' of '{path}'", dtype) for name, array in sorted(arrays.items())]
    elif suffix in {".npy", ".csv"}:
        rows = list(frames(path, dtype))
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            raise FileError(f"'{path}' has frames of {' and '.join(map(str, widths))} values; expected one width")
        loaded = [np.stack(rows)]
    else:
        raise UsageError(f"no sequences can be read from '{path}'; there are .npy, .csv and .npz")
    if not loaded:
        raise FileError(f"'{path}' holds no array; expected some of shape (time, inputs)")
    return tuple(loaded)


def _npy(path: str, dtype: str) -> Iterator[Array]:
    return iter(_checked(load_npy(atomic.read(path), path), f"'{path}'", dtype))


def _side_by_side(arrays: Mapping[str, Array], path: str, dtype: str, parts: Mapping[str, int]) -> Array:
    """Return several inputs by name as one array (time, width)."""
    if arrays.keys() != parts.keys():
        raise FileError(f"'{path}' holds the arrays {', '.join(arrays) or 'none'}; expected {', '.join(parts)}")
    inputs = {name: _checked(arrays[name], f"array '{name}' of '{path}'", dtype) for name in parts}
    shapes = {name: array.shape for name, array in inputs.items()}
    lengths = {length for length, _ in shapes.values()}
    if len(lengths) > 1 or {name: width for name, (_, width) in shapes.items()} != dict(parts):
        widths = ", ".join(f"'{name}' of width {width}" for name, width in parts.items())
        raise FileError(f"'{path}' holds arrays of the shapes {shapes}; expected as many frames of each: {widths}")
    return np.concatenate([*inputs.values()], axis=1)


def _checked(array: Array, name: str, dtype: str) -> Array:
    fits = array.ndim == 2 and np.can_cast(array.dtype, dtype, "same_kind")
    if not fits or (dtype == "int32" and np.any(array != array.astype(dtype))):
        raise FileError(f"{name} holds {array.dtype} of shape {array.shape}; expected {dtype} of shape (time, inputs)")
    if not len(array):
        raise FileError(f"{name} holds no frames; expected some, (time, inputs)")
    with np.errstate(over="ignore"):  # as in `_value`
        return array.astype(dtype)


def _csv(path: str, dtype: str) -> Iterator[Array]:
    try:
        text = atomic.read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not text: {error}; expected one frame a line, with commas") from error
    return parsed(text.splitlines(), f"'{path}'", dtype)
