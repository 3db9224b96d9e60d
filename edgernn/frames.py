"""Frames from files: arrays and text become what a model reads, one frame after the other."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgernn import disk
from edgernn.contract import Contract
from edgernn.errors import FileError, UsageError


def read(source: str, said: Contract) -> Iterator[Any]:
    """The frames of a file, in the dtype that the model reads.

    Args:
        source: .npy (time, inputs), or .csv with a frame a line.
        said: by the artifact.

    Raises:
        UsageError: another suffix.
        FileError: the file cannot be read or holds something else.
    """
    suffix = Path(source).suffix
    if suffix == ".csv":
        return _csv(source, dtype_of(said))
    if suffix == ".npy":
        return _npy(source, dtype_of(said))
    raise UsageError(f"no frames can be read from '{source}'; there are .npy, .csv and - for a pipe")


def dtype_of(said: Contract) -> str:
    """What a frame's elements are."""
    return "int32" if said.rows else "float32"


def parsed(lines: Iterable[str], name: str, dtype: str) -> Iterator[Any]:
    """A frame from each line of numbers with commas between them; empty lines are passed over.

    Raises:
        FileError: a line that has something else, with its number; `name` says where.
    """
    number = 0
    try:
        for line in lines:
            number += 1
            if line.strip():
                yield np.array([np.dtype(dtype).type(field) for field in line.split(",")], dtype)
    except (ValueError, OverflowError) as error:
        at = f"line {number + isinstance(error, UnicodeDecodeError)}"
        raise FileError(f"{name}, {at}: {error}; expected numbers with commas between them") from error


def _npy(source: str, dtype: str) -> Iterator[Any]:
    try:
        frames = np.load(io.BytesIO(disk.read(source)), allow_pickle=False)
    except Exception as error:  # numpy and zipfile fail in many ways
        raise FileError(f"'{source}' is no array: {error}; write it with numpy.save") from error
    if not isinstance(frames, np.ndarray):
        raise FileError(f"'{source}' holds several arrays; write one (time, inputs) with numpy.save")
    fits = frames.ndim == 2 and np.can_cast(frames.dtype, dtype, "same_kind")
    if not fits or (dtype == "int32" and np.any(frames != frames.astype(dtype))):
        raise FileError(
            f"'{source}' holds {frames.dtype} of shape {frames.shape}; expected {dtype} of shape (time, inputs)"
        )
    return iter(frames.astype(dtype))


def _csv(source: str, dtype: str) -> Iterator[Any]:
    try:
        text = disk.read(source).decode()
    except UnicodeDecodeError as error:
        raise FileError(f"'{source}' is not text: {error}; expected one frame a line, with commas") from error
    return parsed(text.splitlines(), f"'{source}'", dtype)
