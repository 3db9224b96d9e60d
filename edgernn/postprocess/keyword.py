"""Keyword detection: a class probability is smoothed and compared with a threshold; a refractory time follows."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.errors import FrameError, UsageError


@dataclass(frozen=True)
class Keyword:
    """A keyword, and the parameters of its detection.

    Attributes:
        output: the index of its score among the outputs of the model.
        window: number of steps over which its probability is averaged; fewer at the beginning of a stream.
        threshold: the average that raises an alarm, above 0 and up to 1.
        refractory: number of steps after an alarm without another one.

    Raises:
        UsageError: a value is out of range.
    """

    output: int
    window: int
    threshold: float
    refractory: int

    def __post_init__(self) -> None:
        if self.output < 0 or self.window < 1 or self.refractory < 0 or not 0 < self.threshold <= 1:
            raise UsageError(
                f"{self} arrived; expected output >= 0, window >= 1, 0 < threshold <= 1 and refractory >= 0"
            )


class Trigger:
    """Raises an alarm when a score rises to a threshold, outside the refractory time of the previous alarm.

    Args:
        threshold: the alarm is raised when the score reaches it from below.
        refractory: number of steps after an alarm without another one.
    """

    def __init__(self, threshold: float, refractory: int) -> None:
        self.threshold, self.refractory = threshold, refractory
        self._above = False
        self._blocked = 0  # steps until the next alarm is possible

    def step(self, score: float) -> bool:
        """Whether there is an alarm at this step."""
        above = score >= self.threshold
        alarm = above and not self._above and not self._blocked
        self._above = above
        self._blocked = self.refractory if alarm else max(0, self._blocked - 1)
        return alarm

    def reset(self) -> None:
        """Forget all scores."""
        self._above = False
        self._blocked = 0


class KeywordDetector:
    """Detects one keyword in a stream.

    Args:
        keyword: the keyword and its parameters.
    """

    def __init__(self, keyword: Keyword) -> None:
        self.keyword = keyword
        self._trigger = Trigger(keyword.threshold, keyword.refractory)
        self._probabilities: deque[float] = deque(maxlen=keyword.window)

    def step(self, scores: Array) -> bool:
        """Whether the keyword was detected at this step.

        Args:
            scores: (outputs,) of the model at this step, before softmax.

        Raises:
            FrameError: there are too few scores, or they are not finite; the state is unchanged.
        """
        self._probabilities.append(float(probability(scores, self.keyword.output)))
        return self._trigger.step(self.score)

    @property
    def score(self) -> float:
        """The average probability after the last step; 0 before the first step."""
        return sum(self._probabilities) / len(self._probabilities) if self._probabilities else 0.0

    def reset(self) -> None:
        """Forget all scores."""
        self._probabilities.clear()
        self._trigger.reset()


def probability(scores: Array, output: int) -> Array:
    """The softmax of scores (..., outputs) for one output, float64 (...,).

    Raises:
        FrameError: there are too few scores, or they are not finite.
    """
    if scores.ndim < 1 or scores.shape[-1] <= output or not np.isfinite(scores).all():
        raise FrameError(
            f"scores of shape {scores.shape} arrived; expected finite numbers, at least {output + 1} per step"
        )
    exponentials = np.exp(scores.astype(np.float64) - scores.max(axis=-1, keepdims=True))
    share: Array = exponentials[..., output] / exponentials.sum(axis=-1)
    return share
