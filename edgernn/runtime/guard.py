"""The guard: frames that must not enter a model are refused, where a backend does not refuse them itself."""

from collections.abc import Callable
from sys import byteorder
from typing import Any, Literal

import numpy as np
from numpy import abs as size, isfinite

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FrameError, UsageError

OnBadInput = Literal["raise", "hold", "zero"]

Step = Callable[[], Any]


def guarded(step: Step, x: Array, manifest: Manifest) -> Step:
    """A step that returns true, and computes nothing, for a frame in `x` that must not enter.

    The byte of each float32 with the sign and most of the exponent tells whether a number may be beyond the limit or
    not finite; only then the whole number is compared. This takes a third of the time that numpy takes. A symbol must
    be an index into the table. Every quantized frame may enter.
    """
    if not manifest.vocabulary_size and x.dtype.kind == "i":
        return step
    high = x.view(np.uint8)[3 if byteorder == "little" else 0 :: 4].tobytes
    doubtful = _doubtful(manifest.limit)
    vocabulary_size, limit = manifest.vocabulary_size, manifest.limit

    def step_numbers() -> Any:
        return True if 1 in high().translate(doubtful) and not (size(x) <= limit).all() else step()

    def step_symbols() -> Any:
        return step() if 0 <= x[0] < vocabulary_size else True

    return step_symbols if vocabulary_size else step_numbers


def _doubtful(limit: float) -> bytes:
    """A translation table: 1 for the high bytes of numbers that may be beyond the limit, otherwise 0."""
    first = np.float32(limit).view(np.uint32) >> 24
    return bytes(int(byte & 127 >= first) for byte in range(256))


def refusal(what: str, x: Array, limit: float) -> str:
    """The message for the first refused number: "element 3 of the frame is 1e+30, beyond the limit of 9.7e+24, ..."."""
    bad = int((size(x) <= limit).argmin())
    beyond = f", beyond the limit of {limit:.3g}" if isfinite(x[bad]) else ""
    return f"element {bad} of {what} is {x[bad]:.6g}{beyond}, and would stay in the carried state"


def check_policy(on_bad_input: Any) -> None:
    """Refuse a policy that does not exist.

    Raises:
        UsageError: it is none of OnBadInput.
    """
    if on_bad_input not in ("raise", "hold", "zero"):
        raise UsageError(f"on_bad_input='{on_bad_input}' does not exist; there are 'raise', 'hold' and 'zero'")


def check_frame(frame: Any, x: Array) -> None:
    """Refuse a frame that has not the shape and the dtype of `x`.

    Raises:
        FrameError: it has not.
    """
    if not isinstance(frame, np.ndarray) or frame.dtype != x.dtype or frame.shape != x.shape:
        arrived = f"{frame.dtype} of shape {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError(
            f"a frame of {arrived} arrived; expected an array of {x.dtype} of shape {x.shape}: "
            f"use np.asarray(frame, np.{x.dtype}) and one step per frame"
        )


def refused(x: Array, manifest: Manifest) -> FrameError:
    """The error for a frame that must not enter."""
    if manifest.vocabulary_size:
        return FrameError(f"index {x[0]} arrived; expected 0 to {manifest.vocabulary_size - 1}, a row of the table")
    message = refusal("the frame", x, manifest.limit)
    return FrameError(f"{message}; mend the source, or choose on_bad_input='hold' or 'zero'")


def holding(step: Step, x: Array, last_good: Array) -> Step:
    """A step that copies each frame that was not refused into `last_good`."""

    def hold() -> Any:
        bad = step()
        if not bad:
            last_good[...] = x
        return bad

    return hold


def check_window(frames: Any, manifest: Manifest) -> None:
    """Refuse a window that must not enter a model of whole windows.

    Raises:
        FrameError: not an array of the model's dtype and shape (time, inputs), no frames, a number that is not finite
            or beyond the limit, or an index outside the table.
    """
    dtype = np.dtype("int32" if manifest.vocabulary_size else "float32")
    expected = f"expected an array of {dtype} of shape (time, {manifest.inputs}), with at least one frame"
    if not isinstance(frames, np.ndarray):
        raise FrameError(f"a window of type {type(frames).__name__} arrived; {expected}")
    if frames.dtype != dtype or frames.ndim != 2 or frames.shape[1] != manifest.inputs or not len(frames):
        raise FrameError(f"a window of {frames.dtype} of shape {frames.shape} arrived; {expected}")
    good = (
        (frames >= 0) & (frames < manifest.vocabulary_size)
        if manifest.vocabulary_size
        else size(frames) <= manifest.limit
    )
    if not good.all():
        t, k = (int(index) for index in np.argwhere(~good)[0])
        number = f"a finite number of at most {manifest.limit:.3g}"
        allowed = f"0 to {manifest.vocabulary_size - 1}, a row of the table" if manifest.vocabulary_size else number
        raise FrameError(f"element {k} of frame {t} is {frames[t, k]}; expected {allowed}: mend the source")
