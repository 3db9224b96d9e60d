"""What must not enter a model, looked at before a backend that does not look itself."""

from collections.abc import Callable
from sys import byteorder
from typing import Any

import numpy as np
from numpy import isfinite
from numpy.typing import NDArray

from edgernn.contract import Contract
from edgernn.errors import FrameError

Array = NDArray[Any]
Step = Callable[[], Any]


def guarded(step: Step, x: Array, rows: int) -> Step:
    """The step, or true and nothing computed for a frame in `x` that must not enter.

    The byte of each float32 that has the sign and most of the exponent is 127 or 255 for every number that is not
    finite, and else only beyond 1.7e38: a frame without these two is finite, which takes a third of the time of asking
    numpy. A symbol must be a row of the table; integers on a grid may all enter.
    """
    if not rows and x.dtype.kind == "i":
        return step
    high = x.view(np.uint8)[3 if byteorder == "little" else 0 :: 4].tobytes

    def of_numbers() -> Any:
        seen = high()
        return True if (127 in seen or 255 in seen) and not isfinite(x).all() else step()

    def of_symbols() -> Any:
        return step() if 0 <= x[0] < rows else True

    return of_symbols if rows else of_numbers


def holding(step: Step, x: Array, held: Array) -> Step:
    """The step, which remembers in `held` each frame that was good enough to enter."""

    def remembering() -> Any:
        bad = step()
        if not bad:
            held[...] = x
        return bad

    return remembering


def check_window(frames: Any, said: Contract) -> None:
    """Refuse a window that must not enter a model of whole windows.

    Raises:
        FrameError: no array of the model's dtype and (time, inputs), no frame in it, a number that is not finite, or an
            index outside the table.
    """
    dtype = np.dtype("int32" if said.rows else "float32")
    wanted = f"expected an array of {dtype} of shape (time, {said.inputs}), with at least one frame"
    if not isinstance(frames, np.ndarray):
        raise FrameError(f"a window of type {type(frames).__name__} arrived; {wanted}")
    if frames.dtype != dtype or frames.ndim != 2 or frames.shape[1] != said.inputs or not len(frames):
        raise FrameError(f"a window of {frames.dtype} of shape {frames.shape} arrived; {wanted}")
    good = (frames >= 0) & (frames < said.rows) if said.rows else isfinite(frames)
    if not good.all():
        t, k = (int(place) for place in np.argwhere(~good)[0])
        what = f"0 to {said.rows - 1}, a row of the table" if said.rows else "a finite number"
        raise FrameError(f"element {k} of frame {t} is {frames[t, k]}; expected {what}: mend the source")
