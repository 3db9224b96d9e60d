"""What must not enter a carried state, looked at before the step of a backend that does not look itself."""

from collections.abc import Callable
from sys import byteorder
from typing import Any

import numpy as np
from numpy import isfinite
from numpy.typing import NDArray

Array = NDArray[Any]
Step = Callable[[], Any]


def guarded(step: Step, x: Array, rows: int) -> Step:
    """The step, or true and nothing computed for a frame in `x` that must not enter.

    The byte of each float32 that has the sign and most of the exponent is 127 or 255 for every number that is not
    finite, and else only beyond 1.7e38: a frame without these two is finite, which takes a third of the time of asking
    numpy. A symbol must be a row of the table.
    """
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
