"""The metrics of a trained model on a part of the data, computed as on a device."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F
from torchmetrics.functional import mean_absolute_error, mean_squared_error
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from edgernn.array import Array
from edgernn.interpreters.integer import stepper
from edgernn.interpreters.window import WindowStepper
from edgernn.model.graph import Graph
from edgernn.model.timing import in_steps
from edgernn.model.window import Window
from edgernn.process import interrupt
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.evaluate.baseline import (
    Comparison,
    against_majority,
    against_persistence,
    against_unprocessed,
    against_yesterday,
)
from edgernn.train.evaluate.sound import Heard, heard, voice_accuracy


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of a model.

    Attributes:
        metrics: the metrics by name; the first is the metric to choose models by.
        confusions: of each set of targets, by its name, int64 (classes, classes) with one row per true class; the name
            of a single set is "".
        series: truth, forecast and persistence, each (time, outputs) in the units of the data; None without a series.
        comparisons: the model beside answers that need no model.
        sounds: every clip before and after, for sound.
    """

    metrics: Mapping[str, float]
    confusions: Mapping[str, Array] = field(default_factory=dict)
    series: tuple[Array, Array, Array] | None = None
    comparisons: tuple[Comparison, ...] = ()
    sounds: tuple[Heard, ...] = ()


METRICS: Mapping[str, tuple[str, Literal["minimize", "maximize"]]] = MappingProxyType(
    {
        "class": ("accuracy", "maximize"),
        "text": ("nats", "minimize"),
        "series": ("rmse", "minimize"),
        "sound": ("si-sdr", "maximize"),
    }
)
"""Kind of data -> the first word of the metric to choose models by, and its direction."""


def answers(model: Graph | Window) -> Callable[[Array], Array]:
    """A function (time, inputs) -> (steps, outputs) from the initial state; (1, outputs) for a pooled window model."""
    if isinstance(model, Window):
        return WindowStepper(model.astype("float32"), "float32").run
    steps = stepper(model)
    return lambda frames: steps.run(in_steps(frames, model.frames_per_step, model.named_inputs))[0]


def evaluate(predict: Callable[[Array], Array], data: Data, part: Sequences) -> Evaluation:
    """Compare outputs with the targets of a part of the data.

    Args:
        predict: (time, inputs) -> (time, outputs), or (1, outputs) for a whole sequence.
        data: the data of the part.
        part: the test or validation part.
    """
    outputs = []
    for frames in part.frames:
        interrupt.check()
        outputs.append(predict(frames))
    if data.kind == "class":
        return _classes(np.stack([each[-1] for each in outputs]), np.asarray(part.targets), data)
    if data.kind == "sound":
        return _sound(outputs, part, data)
    scores, targets = np.concatenate(outputs), np.concatenate(list(part.targets))
    if data.kind == "text":
        return _symbols(scores, targets, data)
    return _series(scores, targets, part, data)


def _classes(scores: Array, targets: Array, data: Data) -> Evaluation:
    metrics: dict[str, float] = {}
    confusions: dict[str, Array] = {}
    comparisons: list[Comparison] = []
    sets, training = (each.reshape(len(each), -1).T for each in (targets, np.asarray(data.train.targets)))
    for known, before, (head, part) in zip(sets, training, data.parts.items(), strict=True):
        classes = part.stop - part.start
        predicted, truth = torch.from_numpy(scores[:, part].argmax(-1)), torch.from_numpy(known.copy())
        metrics |= {
            f"accuracy {head}".strip(): _rounded(multiclass_accuracy(predicted, truth, classes, average="micro")),
            f"macro f1 {head}".strip(): _rounded(multiclass_f1_score(predicted, truth, classes, average="macro")),
        }
        confusions[head] = multiclass_confusion_matrix(predicted, truth, classes).numpy()
        name = f"accuracy {head}".strip()
        comparisons.append(against_majority(name, metrics[name], before, known))
    return Evaluation(metrics, confusions, comparisons=tuple(comparisons))


def _symbols(scores: Array, targets: Array, data: Data) -> Evaluation:
    """`unigram` is the loss of the symbol frequencies of the training part, with one count added to each symbol."""
    logits, truth = torch.from_numpy(scores), torch.from_numpy(targets)
    right = multiclass_accuracy(logits.argmax(-1), truth, data.outputs, average="micro")
    seen = 1.0 + np.bincount(np.concatenate(list(data.train.targets)), minlength=data.outputs)
    unigram = -torch.from_numpy(np.log(seen / seen.sum()))[truth].mean()
    metrics = {"nats": _rounded(F.cross_entropy(logits, truth)), "unigram": _rounded(unigram)}
    comparison = Comparison("nats", "unigram", metrics["nats"], metrics["unigram"])
    return Evaluation(metrics | {"accuracy": _rounded(right)}, comparisons=(comparison,))


def _series(forecast: Array, targets: Array, part: Sequences, data: Data) -> Evaluation:
    """The forecasts are in the units of the data. Persistence forecasts the first element of a frame: no change."""
    frames = np.concatenate(part.frames)
    values = data.unscaled(targets, frames)
    series = values, forecast, np.broadcast_to(frames[:, :1], values.shape)
    metrics: dict[str, float] = {}
    comparisons: list[Comparison | None] = []
    labels = data.labels or tuple(map(str, range(data.outputs)))
    truth, predicted, unchanged = (torch.from_numpy(np.array(each)).double() for each in series)
    for k, label in enumerate(labels):
        metrics[f"rmse {label}"] = _rounded(mean_squared_error(predicted[:, k], truth[:, k], squared=False))
        metrics[f"mae {label}"] = _rounded(mean_absolute_error(predicted[:, k], truth[:, k]))
        metrics[f"persistence {label}"] = _rounded(mean_squared_error(unchanged[:, k], truth[:, k], squared=False))
        known, forecasts, current = (each[:, k] for each in series)
        comparisons.append(against_persistence(f"rmse {label}", known, forecasts, current))
        if re.fullmatch(r"[+]\d+", label):  # only the reader of series names its outputs so
            comparisons.append(against_yesterday(f"rmse {label}", known, forecasts, part, data, int(label)))
    return Evaluation(metrics, series=series, comparisons=tuple(filter(None, comparisons)))


def _sound(outputs: Sequence[Array], part: Sequences, data: Data) -> Evaluation:
    """The gain is the mean over the clips, in decibels; the baseline leaves the sound as it is."""
    rows = zip(outputs, part.frames, part.targets, part.sources, strict=True)
    sounds = tuple(heard(*row, data) for row in rows)
    noisy, denoised, gain = (
        round(float(np.mean([getattr(each, name) for each in sounds])), 4)
        for name in ("before_db", "after_db", "gain_db")
    )
    accuracy = round(voice_accuracy(outputs, part, data), 4)
    metrics = {"si-sdr gain": gain, "si-sdr noisy": noisy, "si-sdr denoised": denoised, "accuracy voice": accuracy}
    comparison = against_unprocessed(
        *(np.concatenate([getattr(each, name) for each in sounds]) for name in ("speech", "denoised", "noisy"))
    )
    return Evaluation(metrics, comparisons=(comparison,), sounds=sounds)


def _rounded(value: torch.Tensor) -> float:
    return round(float(value), 4)
