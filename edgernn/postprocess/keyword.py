"""From the scores of a stream to alarms: one class's probability, smoothed, above a threshold, and then a rest."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FrameError, UsageError

Array = NDArray[Any]


@dataclass(frozen=True)
class Keyword:
    """What a detector listens for.

    Attributes:
        output: the place of its score among those of a step.
        window: steps over which its probability is averaged; as many as there were, at the beginning.
        threshold: what the average must reach, from above 0 to 1.
        refractory: steps after an alarm in which there is no other.

    Raises:
        UsageError: a number out of its range.
    """

    output: int
    window: int
    threshold: float
    refractory: int

    def __post_init__(self) -> None:
        if self.output < 0 or self.window < 1 or self.refractory < 0 or not 0 < self.threshold <= 1:
            raise UsageError(
                f"{self} arrived; expected an output from 0, a window of at least 1, a threshold above 0 and up to 1, "
                "and a refractory time of at least 0 steps"
            )


class Trigger:
    """Alarms of a score: when it rises to a threshold, and the last alarm is long enough ago.

    Args:
        threshold: what the score must reach, after having been below it.
        refractory: steps after an alarm in which there is no other.
    """

    def __init__(self, threshold: float, refractory: int) -> None:
        self.threshold, self.refractory = threshold, refractory
        self._above = False
        self._rest = 0  # steps until there may be an alarm again

    def step(self, score: float) -> bool:
        """Whether there is an alarm at this step."""
        above = score >= self.threshold
        alarm = above and not self._above and not self._rest
        self._above = above
        self._rest = self.refractory if alarm else max(0, self._rest - 1)
        return alarm

    def reset(self) -> None:
        """As if nothing had been seen."""
        self._above = False
        self._rest = 0


class Detector:
    """One keyword in a stream: the only thing that changes is what it saw last.

    Args:
        keyword: what to listen for.
    """

    def __init__(self, keyword: Keyword) -> None:
        self.keyword = keyword
        self._trigger = Trigger(keyword.threshold, keyword.refractory)
        self._seen: deque[float] = deque(maxlen=keyword.window)

    def step(self, scores: Array) -> bool:
        """Whether the keyword was heard.

        Args:
            scores: (outputs,) of the model at this step, before any softmax.

        Raises:
            FrameError: no scores of a step, fewer than the keyword needs, or not finite; nothing has changed.
        """
        self._seen.append(float(probability(scores, self.keyword.output)))
        return self._trigger.step(self.score)

    @property
    def score(self) -> float:
        """The averaged probability after the last step; 0 before the first."""
        return sum(self._seen) / len(self._seen) if self._seen else 0.0

    def reset(self) -> None:
        """As if nothing had been heard."""
        self._seen.clear()
        self._trigger.reset()


def probability(scores: Array, output: int) -> Array:
    """The softmax of scores (..., outputs) at one output, in float64: (...,).

    Raises:
        FrameError: fewer outputs, or scores that are not finite.
    """
    if scores.ndim < 1 or scores.shape[-1] <= output or not np.isfinite(scores).all():
        raise FrameError(
            f"scores of shape {scores.shape} arrived; expected finite numbers and at least {output + 1} in a step"
        )
    up = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    share: Array = up[..., output] / up.sum(axis=-1)
    return share
