"""What a trained model is worth: its answers to the test part, as a device gives them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torchmetrics.functional import mean_absolute_error, mean_squared_error
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from edgernn.interpreters.integer import stepper
from edgernn.interpreters.window import WindowStepper
from edgernn.model.graph import Graph
from edgernn.model.window import Window
from edgernn.process import interrupt
from edgernn.train.data.sequences import Data, Sequences

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model came to.

    Attributes:
        metrics: by name; the first is the one to choose by.
        confusion: int64 (classes, classes), rows are the truth; None where no class is asked for a sequence.
        series: truth, forecast and persistence, each (time, outputs) in the data's units; None for classes.
    """

    metrics: Mapping[str, float]
    confusion: Array | None = None
    series: tuple[Array, Array, Array] | None = None


METRICS: Mapping[str, tuple[str, Literal["minimize", "maximize"]]] = MappingProxyType(
    {"class": ("accuracy", "maximize"), "text": ("nats", "minimize"), "series": ("rmse", "minimize")}
)
"""Kind of data -> the first word of the metric to choose by, and which way is better."""


def answers(model: Graph | Window) -> Callable[[Array], Array]:
    """(time, inputs) -> (time, outputs) from rest, in the model's precision; one for a whole window that is pooled."""
    if isinstance(model, Window):
        return WindowStepper(model.astype("float32"), "float32").run
    steps = stepper(model)
    return lambda frames: steps.run(frames)[0]


def evaluate(answer: Callable[[Array], Array], data: Data, part: Sequences) -> Evaluation:
    """Hold the answers to a part of the data against what is asked of it.

    Args:
        answer: (time, inputs) -> (time, outputs), or (1, outputs) for a whole sequence.
        data: what the part belongs to.
        part: the test part, or one to choose by.
    """
    given = []
    for frames in part.frames:
        interrupt.check()
        given.append(answer(frames))
    if data.kind == "class":
        return _classes(np.stack([each[-1] for each in given]), np.asarray(part.targets), data.outputs)
    scores, targets = np.concatenate(given), np.concatenate(list(part.targets))
    if data.kind == "text":
        return _symbols(scores, targets, data)
    return _series(scores, targets, np.concatenate(part.frames), data)


def _classes(scores: Array, targets: Array, classes: int) -> Evaluation:
    given, wanted = torch.from_numpy(scores.argmax(-1)), torch.from_numpy(targets)
    right = multiclass_accuracy(given, wanted, classes, average="micro")
    f1 = multiclass_f1_score(given, wanted, classes, average="macro")
    confusion = multiclass_confusion_matrix(given, wanted, classes).numpy()
    return Evaluation({"accuracy": _rounded(right), "macro f1": _rounded(f1)}, confusion)


def _symbols(scores: Array, targets: Array, data: Data) -> Evaluation:
    """`unigram` is what knowing how often the training part has each symbol comes to, each counted once more."""
    given, wanted = torch.from_numpy(scores), torch.from_numpy(targets)
    right = multiclass_accuracy(given.argmax(-1), wanted, data.outputs, average="micro")
    seen = 1.0 + np.bincount(np.concatenate(list(data.train.targets)), minlength=data.outputs)
    unigram = -torch.from_numpy(np.log(seen / seen.sum()))[wanted].mean()
    nats = _rounded(F.cross_entropy(given, wanted))
    return Evaluation({"nats": nats, "unigram": _rounded(unigram), "accuracy": _rounded(right)})


def _series(forecast: Array, targets: Array, frames: Array, data: Data) -> Evaluation:
    """A model of a series answers in its units. Persistence foretells what stands first in a frame: no change."""
    truth = data.unscaled(targets, frames)
    series = truth, forecast, np.broadcast_to(frames[:, :1], truth.shape)
    metrics = {}
    labels = data.labels or tuple(map(str, range(data.outputs)))
    wanted, given, same = (torch.from_numpy(np.array(each)).double() for each in series)
    for k, label in enumerate(labels):
        metrics[f"rmse {label}"] = _rounded(mean_squared_error(given[:, k], wanted[:, k], squared=False))
        metrics[f"mae {label}"] = _rounded(mean_absolute_error(given[:, k], wanted[:, k]))
        metrics[f"persistence {label}"] = _rounded(mean_squared_error(same[:, k], wanted[:, k], squared=False))
    return Evaluation(metrics, series=series)


def _rounded(value: torch.Tensor) -> float:
    return round(float(value), 4)
