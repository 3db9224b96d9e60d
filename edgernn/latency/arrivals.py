"""When frames come: one each period, or as a file has recorded it."""

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
    """Nanoseconds at which each of `steps` frames comes, from the first on; what is rounded does not add up.

    Raises:
        UsageError: no step at all.
    """
    if steps < 1:
        raise UsageError(f"{steps} steps are nothing to measure; ask for more, or for more seconds")
    due: Times = np.rint(np.arange(steps) * (period_us * 1000)).astype(np.int64)
    return due


def recorded(path: str | os.PathLike[str]) -> Times:
    """The same from a file: times in milliseconds, none before the one above it; the first counts as 0.

    Args:
        path: .npy (frames,), or text with spaces or line breaks between times.

    Raises:
        FileError: it cannot be read, holds fewer than two times, one that is no number, or one that goes back.
    """
    name = os.fspath(path)
    data = atomic.read(path)
    times = _npy(data, name) if Path(name).suffix == ".npy" else _text(data, name)
    if times.ndim != 1 or len(times) < 2:
        raise FileError(f"'{name}' holds {times.shape} times; expected (frames,), two at least")
    finite = np.isfinite(times)
    whole = np.where(finite, times, 0.0)
    bad = np.flatnonzero(~finite | (np.diff(whole, prepend=whole[0]) < 0))
    if bad.size:
        k = int(bad[0])
        raise FileError(
            f"'{name}': frame {k} comes at {times[k]:g} ms, after one at {times[max(k - 1, 0)]:g} ms; expected times "
            "in milliseconds that never go back"
        )
    if times[-1] - times[0] > np.iinfo(np.int64).max / PER_MS:
        raise FileError(f"'{name}' ends {times[-1] - times[0]:g} ms after it began; expected milliseconds")
    due: Times = np.rint((times - times[0]) * PER_MS).astype(np.int64)
    return due


def _npy(data: bytes, name: str) -> NDArray[Any]:
    found = load_npy(data, name)
    if found.dtype.kind not in "iuf":
        raise FileError(f"'{name}' holds {found.dtype}; expected numbers, times in milliseconds")
    return found.astype(np.float64)


def _text(data: bytes, name: str) -> NDArray[Any]:
    times: list[float] = []
    try:
        times.extend(map(float, data.decode().split()))
    except ValueError as error:  # also of what is not UTF-8
        raise FileError(f"'{name}', time {len(times)}: {error}; expected times in milliseconds") from error
    return np.array(times)
