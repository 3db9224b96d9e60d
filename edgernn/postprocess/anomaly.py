"""How unusual the errors of a forecast are of late, as a number from 0 to 1."""

from dataclasses import dataclass
from math import erfc, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FrameError, StateError, UsageError

Array = NDArray[Any]


@dataclass(frozen=True)
class Likelihood:
    """The anomaly likelihood of S. Ahmad et al. (Neurocomputing 262, 2017): errors of late against those of long.

    With the mean and deviation of the last `window` errors, the mean of the last `short` ones is so and so many
    deviations above; the score is 1 less the part of a normal distribution that lies further out.

    Attributes:
        window: errors that say what is usual.
        short: errors that say how it is now.
        warm: errors until the first score; it is 0 before.

    Raises:
        UsageError: numbers that do not fit.
    """

    window: int = 2000
    short: int = 10
    warm: int = 300

    def __post_init__(self) -> None:
        if not 1 <= self.short < self.window or not self.short < self.warm <= self.window:
            raise UsageError(
                f"{self} arrived; expected at least one error for short, more for warm, and as many or more for window"
            )


class Scorer:
    """The score of one stream, in memory for `window` errors.

    Args:
        likelihood: how to score.
    """

    def __init__(self, likelihood: Likelihood | None = None) -> None:
        self.likelihood = likelihood or Likelihood()
        self._errors = np.zeros(self.likelihood.window)
        self._seen = 0

    def step(self, forecast: float, value: float) -> float:
        """The score of what has come, given what was foretold for it.

        Raises:
            FrameError: one of them is not finite; nothing has changed.
        """
        if not (isfinite(forecast) and isfinite(value)):
            raise FrameError(
                f"forecast {forecast} and value {value} arrived; expected finite numbers: leave the step out"
            )
        said = self.likelihood
        self._errors[self._seen % said.window] = abs(float(value) - float(forecast))
        self._seen += 1
        if self._seen < said.warm:
            return 0.0
        usual = self._errors[: self._seen]
        deviation = float(usual.std())
        late = self._errors[np.arange(self._seen - said.short, self._seen) % said.window]
        above = float(late.mean() - usual.mean())
        if deviation <= ALIKE * float(usual.max()):
            return 0.5
        return 1 - erfc(above / deviation / sqrt(2)) / 2

    def reset(self) -> None:
        """As if nothing had been seen."""
        self._seen = 0

    @property
    def state(self) -> Array:
        """The errors so far, the last one last, float64 (at most window,); a copy. Give it back to go on from there.

        Raises:
            StateError: on setting, more errors than the window has, or no errors.
        """
        known = min(self._seen, self.likelihood.window)
        return self._errors[np.arange(self._seen - known, self._seen) % self.likelihood.window]

    @state.setter
    def state(self, errors: Array) -> None:
        fits = isinstance(errors, np.ndarray) and errors.dtype == np.float64 and errors.ndim == 1
        if not fits or len(errors) > len(self._errors) or not (np.isfinite(errors) & (errors >= 0)).all():
            raise StateError(
                f"a state of another kind arrived; expected at most {len(self._errors)} errors as `state` gives them"
            )
        self._errors[: len(errors)] = errors
        self._seen = len(errors)


ALIKE = 1e-9  # errors that differ by less, as a part of the largest, are all the same
