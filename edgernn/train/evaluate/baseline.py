"""A model beside answers that need no model: no change, the value of a day ago, the most frequent class or symbol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from edgernn.array import Array
from edgernn.train.data.sequences import Data, Sequences

DAY_MS = 24 * 3600 * 1000.0

CLOSE = 0.05
"""A model whose error is within this part of a baseline's error is hardly better."""


@dataclass(frozen=True)
class Baseline:
    """An answer without a model.

    Attributes:
        title: what it answers, as the end of a sentence.
        advice: what to try where a model is not better.
    """

    title: str
    advice: str


SERIES = (
    "data.difference = true (learn the change), data.calendar = true (know the hour), more training.epochs, or a lower "
    "training.rate"
)

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "persistence": Baseline("forecasting no change", SERIES),
        "yesterday": Baseline("repeating the value of 24 h before", SERIES),
        "majority": Baseline(
            "always answering the most frequent class",
            "a look at the labels, more training.epochs, or a lower training.rate",
        ),
        "unprocessed": Baseline(
            "leaving the sound as it is", "more data.clips, more training.epochs, or a larger model.hidden"
        ),
        "unigram": Baseline(
            "symbol frequencies alone", "more training.epochs, a lower training.rate, or a larger model.hidden"
        ),
    }
)
"""Every baseline by its name."""


@dataclass(frozen=True)
class Comparison:
    """A model and a baseline, by a metric of the same steps.

    Attributes:
        metric: such as "rmse +1", "nats" or "accuracy digit".
        baseline: one of BASELINES.
        error: the model's error: an rmse, nats, or 1 - accuracy.
        other: the baseline's.
    """

    metric: str
    baseline: str
    error: float
    other: float

    @property
    def ratio(self) -> float:
        """The model's error as a part of the baseline's; infinite where only the baseline has none."""
        if not self.other:
            return 1.0 if not self.error else float("inf")
        return self.error / self.other

    @property
    def sentence(self) -> str:
        """The verdict, with advice where the model is worse or hardly better."""
        known = BASELINES[self.baseline]
        accuracy = self.metric.startswith("accuracy")
        ours, theirs = (f"{1 - each:.2%}" if accuracy else f"{each:,.4g}" for each in (self.error, self.other))
        figures = f"{self.metric}: {ours}; {known.title}: {theirs}."
        if self.ratio > 1 + CLOSE:
            by = "" if accuracy else f" by a factor of {self.ratio:.2g}"
            return f"{figures} The model is worse{by}. Try {known.advice}."
        if self.ratio > 1 - CLOSE:
            return f"{figures} The model is hardly better. Try {known.advice}."
        return f"{figures} The model's {'share of errors' if accuracy else 'error'} is {self.ratio:.2f} of that."


def against_majority(metric: str, accuracy: float, training: Array, truth: Array) -> Comparison:
    """An accuracy beside that of the most frequent class of the training part; both (sequences,) int64."""
    most = np.bincount(training).argmax()
    return Comparison(metric, "majority", 1 - accuracy, 1 - float(np.mean(truth == most)))


def against_persistence(metric: str, truth: Array, forecast: Array, unchanged: Array) -> Comparison:
    """Forecasts (time,) beside the current values."""
    return Comparison(metric, "persistence", _rmse(forecast, truth), _rmse(unchanged, truth))


def against_unprocessed(speech: Array, denoised: Array, noisy: Array) -> Comparison:
    """Denoised sound beside the noisy sound, (samples,) each, by the error of a sample."""
    return Comparison("rmse", "unprocessed", _rmse(denoised, speech), _rmse(noisy, speech))


def against_yesterday(
    metric: str, truth: Array, forecast: Array, part: Sequences, data: Data, horizon: int
) -> Comparison | None:
    """Forecasts (time,) beside the value 24 h before the forecast one, where its sequence has it; otherwise None.

    Only steps with such a value count, for the model too. None also where a day is no whole number of steps.
    """
    steps = DAY_MS / data.period_ms if data.period_ms else 0.0
    back = round(steps) - horizon  # from the current step
    if abs(steps - round(steps)) > 1e-6 or back < 1:
        return None
    known, values = _earlier([each[:, 0] for each in part.frames], back)
    if not len(values):
        return None
    return Comparison(metric, "yesterday", _rmse(forecast[known], truth[known]), _rmse(values, truth[known]))


def _earlier(sequences: Sequence[Array], back: int) -> tuple[Array, Array]:
    """Which of all steps have a step `back` before them in their sequence, and its value."""
    known = np.concatenate([np.arange(len(each)) >= back for each in sequences])
    return known, np.concatenate([each[: max(0, len(each) - back)] for each in sequences])


def _rmse(forecast: Array, truth: Array) -> float:
    return float(np.sqrt(np.mean(np.square(np.float64(forecast) - np.float64(truth)))))
