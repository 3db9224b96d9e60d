"""Prepared arrays in one .npz file."""

import os

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError
from edgernn.files import atomic
from edgernn.files.arrays import load_npz
from edgernn.files.spelling import misspelt
from edgernn.train.data.features import standardized
from edgernn.train.data.sequences import Data, Sequences

NEEDED = ("x_train", "y_train", "x_test", "y_test")
KNOWN = (*NEEDED, "length_train", "length_test", "labels")


def read(path: str | os.PathLike[str], *, standardize: bool = True, period_ms: float | None = None) -> Data:
    """Read x_train, y_train, x_test and y_test, named as in Keras.

    x has (sequences, time, inputs) numbers or (sequences, time) symbols; y has (sequences,) classes, (sequences, time)
    next symbols, or (sequences, time, outputs) future values. Shorter sequences are padded on the right, with their
    lengths in length_train and length_test. labels has the names of the outputs.

    Args:
        path: the file, without pickled objects.
        standardize: whether a feature cell standardizes numbers.
        period_ms: the time between frames, if known.

    Raises:
        FileError: The file is missing or truncated, or an array is missing, unknown or of a wrong shape.
    """
    arrays = _arrays(path)
    train, test = (_part(os.fspath(path), arrays, part) for part in ("train", "test"))
    y = [arrays[f"y_{part}"] for part in ("train", "test")]
    kind = {1: "class", 2: "text", 3: "series"}[y[0].ndim]
    numbers = train.frames[0].dtype == np.float32
    vocabulary_size = 0 if numbers else 1 + max(int(arrays["x_train"].max()), int(arrays["x_test"].max()))
    labels = tuple(map(str, arrays.get("labels", ())))
    outputs = y[0].shape[2] if kind == "series" else len(labels) or 1 + max(int(each.max()) for each in y)
    exact = standardized((), train.frames) if numbers and standardize else ()
    inputs = train.frames[0].shape[1]
    return Data(train, test, kind, inputs, outputs, labels, tuple(map(str, range(vocabulary_size))), period_ms, exact)


def _arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    arrays = load_npz(atomic.read(path), os.fspath(path))
    for name in arrays:
        if name not in KNOWN:
            raise FileError(f"'{path}' has an array '{name}'; {misspelt(name, KNOWN)}")
    if arrays.get("labels", np.empty(0)).ndim != 1:
        raise FileError(f"'{path}': labels has shape {arrays['labels'].shape}; expected one label for each output")
    for name in NEEDED:
        if name not in arrays:
            raise FileError(f"'{path}' has no array '{name}'; expected {', '.join(NEEDED)}")
    return arrays


def _part(path: str, arrays: dict[str, Array], part: str) -> Sequences:
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if not x.size or not y.ndim:
        raise FileError(f"'{path}': x_{part} is {x.dtype}{x.shape} and y_{part} {y.dtype}{y.shape}; expected sequences")
    symbols = x.ndim == 2 and x.dtype.kind in "iu"
    if not (symbols or (x.ndim == 3 and x.dtype.kind in "fiu")):
        raise FileError(
            f"'{path}': x_{part} is {x.dtype}{x.shape}; expected (sequences, time, inputs) numbers, or integers "
            "(sequences, time)"
        )
    lengths = arrays.get(f"length_{part}", np.full(len(x), x.shape[1]))
    if lengths.dtype.kind not in "iu":
        raise FileError(f"'{path}': length_{part} is {lengths.dtype}; expected integers")
    if len(y) != len(x) or lengths.shape != (len(x),) or not np.all((lengths >= 1) & (lengths <= x.shape[1])):
        raise FileError(
            f"'{path}': x_{part} has {len(x)} sequences of at most {x.shape[1]} frames, y_{part} has {len(y)}, and "
            f"length_{part} is {lengths.shape}; expected equal counts, and lengths from 1 to {x.shape[1]}"
        )
    if (
        y.ndim not in {1, 2, 3}
        or y.dtype.kind not in ("f" if y.ndim == 3 else "iu")
        or y.shape[1:2] not in {(), x.shape[1:2]}
    ):
        raise FileError(
            f"'{path}': y_{part} is {y.dtype}{y.shape}; expected integers (sequences,) or (sequences, time), or "
            "numbers (sequences, time, outputs)"
        )
    whole = y.astype(np.float32 if y.ndim == 3 else np.int64)
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, and `Sequences` refuses them
        frames = x[:, :, None].astype(np.int32) if symbols else x.astype(np.float32)
    return Sequences(
        tuple(each[:n] for each, n in zip(frames, lengths, strict=True)),
        whole if y.ndim == 1 else tuple(each[:n] for each, n in zip(whole, lengths, strict=True)),
        tuple(f"'{path}', {part} {i}" for i in range(len(x))),
    )
