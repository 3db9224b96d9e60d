"""Anomaly scores from forecast errors: how unusual the recent errors are, from 0 to 1."""

from dataclasses import dataclass
from math import erfc, isfinite, sqrt

import numpy as np

from edgernn.array import Array
from edgernn.errors import FrameError, StateError, UsageError


@dataclass(frozen=True)
class AnomalyLikelihood:
    """The anomaly likelihood of S. Ahmad et al. (Neurocomputing 262, 2017): recent errors against long-term ones.

    The mean of the last `short` errors is standardized by the mean and the standard deviation of the last `window`
    errors. The score is the value of the normal distribution function there.

    Attributes:
        window: number of long-term errors.
        short: number of recent errors.
        warm_up: number of errors before the first score; the score is 0 until then.

    Raises:
        UsageError: not 1 <= short < warm_up <= window.
    """

    window: int = 2000
    short: int = 10
    warm_up: int = 300

    def __post_init__(self) -> None:
        if not 1 <= self.short < self.warm_up <= self.window:
            raise UsageError(f"{self} arrived; expected 1 <= short < warm_up <= window")


class AnomalyScorer:
    """Scores one stream; it stores `window` errors.

    Args:
        likelihood: parameters of the score.
    """

    def __init__(self, likelihood: AnomalyLikelihood | None = None) -> None:
        self.likelihood = likelihood or AnomalyLikelihood()
        self._errors = np.zeros(self.likelihood.window)
        self._seen = 0

    def step(self, forecast: float, value: float) -> float:
        """The score after a new value and the forecast for it.

        Raises:
            FrameError: the value or the forecast is not finite; the state is unchanged.
        """
        if not (isfinite(forecast) and isfinite(value)):
            raise FrameError(f"forecast {forecast} and value {value} arrived; expected finite numbers; skip this step")
        likelihood = self.likelihood
        self._errors[self._seen % likelihood.window] = abs(float(value) - float(forecast))
        self._seen += 1
        if self._seen < likelihood.warm_up:
            return 0.0
        errors = self._errors[: self._seen]
        deviation = float(errors.std())
        recent = self._errors[np.arange(self._seen - likelihood.short, self._seen) % likelihood.window]
        increase = float(recent.mean() - errors.mean())
        if deviation <= CONSTANT * float(errors.max()):
            return 0.5
        return 1 - erfc(increase / deviation / sqrt(2)) / 2

    def reset(self) -> None:
        """Forget all errors."""
        self._seen = 0

    @property
    def state(self) -> Array:
        """The errors so far, in order, float64 (at most window,); a copy. Setting it resumes from there.

        Raises:
            StateError: on setting, the value is not an array of finite errors, or is longer than the window.
        """
        known = min(self._seen, self.likelihood.window)
        return self._errors[np.arange(self._seen - known, self._seen) % self.likelihood.window]

    @state.setter
    def state(self, errors: Array) -> None:
        fits = isinstance(errors, np.ndarray) and errors.dtype == np.float64 and errors.ndim == 1
        if not fits or len(errors) > len(self._errors) or not (np.isfinite(errors) & (errors >= 0)).all():
            raise StateError(
                f"an invalid state arrived; expected at most {len(self._errors)} errors, as returned by `state`"
            )
        self._errors[: len(errors)] = errors
        self._seen = len(errors)


CONSTANT = 1e-9  # errors whose standard deviation is a smaller share of the largest count as constant
