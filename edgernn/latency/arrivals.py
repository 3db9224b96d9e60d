"""Arrival times of frames: periodic, or recorded in a file."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.files import atomic
from edgernn.files.arrays import load_npy

Times = NDArray[np.int64]

PER_MS = 1_000_000  # nanoseconds


def regular(steps: int, period_us: float) -> Times:
    """Periodic arrival times of `steps` frames, in nanoseconds from the first. Rounding errors do not accumulate.

    Raises:
        UsageError: there are no steps.
    """
    if steps < 1:
        raise UsageError(f"{steps} steps cannot be measured; ask for more steps, or for more seconds")
    due: Times = np.rint(np.arange(steps) * (period_us * 1000)).astype(np.int64)
    return due


def recorded(path: str | os.PathLike[str]) -> Times:
    """Arrival times from a file, in nanoseconds from the first. The file holds milliseconds in ascending order.

    Args:
        path: .npy (frames,), or text with spaces or line breaks between times.

    Raises:
        FileError: the file cannot be read, holds fewer than two times, or a value that is not a number or decreases.
    """
    name = os.fspath(path)
    data = atomic.read(path)
    times = _npy(data, name) if Path(name).suffix == ".npy" else _text(data, name)
    if times.ndim != 1 or len(times) < 2:
        raise FileError(f"'{name}' holds {times.shape} times; expected (frames,), at least two")
    finite = np.isfinite(times)
    whole = np.where(finite, times, 0.0)
    bad = np.flatnonzero(~finite | (np.diff(whole, prepend=whole[0]) < 0))
    if bad.size:
        k = int(bad[0])
        raise FileError(
            f"'{name}': frame {k} arrives at {times[k]:g} ms, after one at {times[max(k - 1, 0)]:g} ms; expected times "
            "in milliseconds that never decrease"
        )
    if times[-1] - times[0] > np.iinfo(np.int64).max / PER_MS:
        raise FileError(f"'{name}' ends {times[-1] - times[0]:g} ms after it began; expected milliseconds")
    due: Times = np.rint((times - times[0]) * PER_MS).astype(np.int64)
    return due


def _npy(data: bytes, name: str) -> NDArray[Any]:
    array = load_npy(data, name)
    if array.dtype.kind not in "iuf":
        raise FileError(f"'{name}' holds {array.dtype}; expected numbers, times in milliseconds")
    return array.astype(np.float64)


def _text(data: bytes, name: str) -> NDArray[Any]:
    times: list[float] = []
    try:
        times.extend(map(float, data.decode().split()))
    except ValueError as error:  # also if the text is not UTF-8
        raise FileError(f"'{name}', time {len(times)}: {error}; expected times in milliseconds") from error
    return np.array(times)
