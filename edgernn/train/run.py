"""One training: from a recipe and data to a model, its metrics and its report, in a folder."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.interpreters.count import count
from edgernn.process import interrupt
from edgernn.train import convert
from edgernn.train.convert import Model
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.fingerprint import FILE, Fingerprint, check_file, dumps, fingerprint
from edgernn.train.data.reader import read_data
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.varied import Varied
from edgernn.train.environment import environment
from edgernn.train.evaluate.metrics import Evaluation, answers, evaluate
from edgernn.train.loop.dataset import SequenceDataset
from edgernn.train.loop.distillation import Teacher
from edgernn.train.loop.sound_loss import SoundLoss
from edgernn.train.loop.task import Task
from edgernn.train.loop.trainer import CHECKPOINT, Accelerator, fit, make_trainer, quiet
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network
from edgernn.train.pages import curves

# Imported here, so that a missing package is reported before the training and not after it.
from edgernn.train.pages.report import report
from edgernn.train.recipe import Recipe, to_toml

OUTPUTS = (CHECKPOINT, *convert.FILES, "metrics.json", "curves.csv", "environment.json", "report.html")
"""The files that a training writes, beside its recipe and the fingerprint of its data."""

RETRAIN = "train without --resume, or in another folder"


@dataclass(frozen=True)
class Result:
    """The result of a training.

    Attributes:
        metrics: metrics on the test part, by name, computed with the converted model. The first is the metric to choose
            models by.
        validation: the same on the validation part; empty without one.
        took_s: wall time of the training in seconds; after a resume, of the resumed part only.
        cpu_s: CPU time of all cores in seconds, including the parts before a resume.
        frames_per_s: frames trained on per second.
        parameters: parameters of the whole graph, including feature cells.
        history: losses, accuracies and gradient norms of each epoch, by name.
        notes: warnings about the data and the gradient.
        baselines: a sentence for each answer that needs no model, beside the model's; see `evaluate.baseline`.
    """

    metrics: Mapping[str, float]
    validation: Mapping[str, float]
    took_s: float
    cpu_s: float
    frames_per_s: float
    parameters: int
    history: Sequence[Mapping[str, float]]
    notes: Sequence[str]
    baselines: Sequence[str] = ()


def train(
    recipe: Recipe,
    path: str | os.PathLike[str],
    out: Path,
    *,
    accelerator: Accelerator | None = None,
    resume: bool = False,
) -> Result:
    """Read the data, train the network, and write recipe, model, checkpoint, metrics and curves into a folder.

    A bidirectional model cannot stream. It is written as model.onnx, which takes whole windows.

    Args:
        recipe: the configuration.
        path: the data, for the reader of the recipe.
        out: the folder; it is created if it does not exist.
        accelerator: where the training runs.
        resume: whether to resume after the last finished epoch in the folder.

    Raises:
        EdgernnError: The data or the recipe is invalid, or the training in the folder has another recipe or other data.
        TrainingError: The loss is not finite; the last checkpoint is kept.
        FileError: The disk is full; the last checkpoint is kept.
        KeyboardInterrupt: The training was interrupted.
    """
    return train_on(read(recipe, path), recipe, out, accelerator=accelerator, resume=resume)


def read(recipe: Recipe, path: str | os.PathLike[str]) -> Data:
    """Read the data of a recipe, in whole steps of its network.

    Raises:
        EdgernnError: See `read_data` and `Data.in_whole_steps`.
    """
    return read_data(recipe.reader, path, recipe.options).in_whole_steps(recipe.shape.frames_per_step)


@interrupt.deferred()
def train_on(
    data: Data, recipe: Recipe, out: Path, *, accelerator: Accelerator | None = None, resume: bool = False
) -> Result:
    """As `train`, with data in memory; the reader of the recipe is not used. Only whole steps of it are."""
    data = data.in_whole_steps(recipe.shape.frames_per_step)
    convert.check(recipe, data)
    data, validation = hold_out_validation(recipe, data)
    torch.manual_seed(recipe.training.seed)
    network = Network(recipe.shape, data.width, data.outputs, data.vocabulary_size)
    task = make_task(network, recipe, data, validation)
    with quiet():
        trainer, norms, cpu_time = make_trainer(recipe.training, out, accelerator or Accelerator())
        checkpoint = prepare_folder(to_toml(recipe), fingerprint(data, validation), out, resume)
        started = time.perf_counter()
        fit(trainer, task, checkpoint)
    took, cpu = time.perf_counter() - started, cpu_time.cpu_s
    model = convert.convert(network.cpu().eval(), data)
    predict = answers(model)
    evaluation = evaluate(predict, data, data.test)
    result = Result(
        evaluation.metrics,
        {} if validation is None else evaluate(predict, data, validation).metrics,
        round(took, 1),
        round(cpu, 1),
        round(task.frames / took, 1),
        sum(count(graph).parameters for graph in convert.graphs(model)),
        task.history,
        [*data.notes, *norms.notes],
        [each.sentence for each in evaluation.comparisons],
    )
    if trainer.is_global_zero:
        _write(out, recipe, model, evaluation, result)
    return result


def hold_out_validation(recipe: Recipe, data: Data) -> tuple[Data, Sequences | None]:
    """Hold out the validation part of a recipe: the remaining data, and the part (None without one)."""
    share = recipe.training.validation
    return data.hold_out(share, recipe.training.seed) if share else (data, None)


def make_task(
    network: Network | GraphNetwork,
    recipe: Recipe,
    data: Data,
    validation: Sequences | None,
    teacher: Teacher | None = None,
) -> Task:
    """The task of training a network, monitored on the validation part, or on the test part without one."""
    name, monitored = ("test", data.test) if validation is None else ("validation", validation)
    dataset, held = training_set(recipe, data), (name, fixed_dataset(data, monitored))
    sound = SoundLoss.of(data.transforms)
    return Task(network, data.kind, dataset, held, recipe.training, teacher, data.heads, sound)


def fixed_dataset(data: Data, sequences: Sequences) -> SequenceDataset:
    """Sequences as inputs of the network: after the feature cells."""
    return SequenceDataset.fixed(features(data.features, sequences.frames), data.stepwise(sequences))


def training_set(recipe: Recipe, data: Data) -> SequenceDataset:
    """The training part, augmented anew in every epoch if the recipe has a section [augment]."""
    if recipe.augment == Augmentation():
        return fixed_dataset(data, data.train)
    varied, count = Varied(data, recipe.augment), recipe.shape.frames_per_step
    lengths = [len(each) for each in data.train.frames]
    return SequenceDataset(
        lambda random: [_whole_steps(each, count) for each in varied(random)], data.stepwise(data.train), lengths
    )


def _whole_steps(frames: Array, count: int) -> Array:
    """Frames without the last ones that are no whole step of `count`; zeros come before less than one step."""
    short = max(0, count - len(frames))
    whole: Array = np.pad(frames, ((short, 0), (0, 0)))[: max(1, len(frames) // count) * count]
    return whole


def check_same_data(recipe: Recipe, data: Data, out: Path) -> None:
    """Refuse to resume a training that began with other data. A folder without a checkpoint passes.

    Raises:
        UsageError: The data differs; with the difference.
        FileError: The fingerprint in the folder cannot be read.
    """
    if (out / CHECKPOINT).exists():
        check_file(out / FILE, fingerprint(*hold_out_validation(recipe, data)), f"the training in '{out}'", RETRAIN)


def prepare_folder(recipe: str, data: Fingerprint, out: Path, resume: bool) -> Path | None:
    """Prepare the folder of a training: return the checkpoint to resume from, or remove the files of an earlier one.

    Args:
        recipe: the recipe and all else that the training depends on, as TOML.
        data: the fingerprint of the data.
        out: the folder.
        resume: whether to resume the training in the folder.

    Raises:
        UsageError: The training to resume has another recipe or other data; with the difference.
        FileError: The training to resume has no fingerprint of its data.
    """
    path = out / "recipe.toml"
    if resume and (out / CHECKPOINT).exists():
        if atomic.read(path) != recipe.encode():
            raise UsageError(
                f"'{path}' differs from the recipe of this run; give the settings that the training began with, or "
                "train without --resume"
            )
        check_file(out / FILE, data, f"the training in '{out}'", RETRAIN)
        return out / CHECKPOINT
    atomic.make_folder(out)
    for name in OUTPUTS:
        with suppress(FileNotFoundError):
            os.unlink(out / name)
    atomic.write_all({str(path): recipe.encode(), str(out / FILE): dumps(data)})
    return None


def _write(out: Path, recipe: Recipe, model: Model, evaluation: Evaluation, result: Result) -> None:
    """Write all files of a finished training, or none of them."""
    facts = environment() | {"cpu_s": result.cpu_s}
    page = report(recipe, model, evaluation, result.history, facts, result.notes)
    atomic.write_all(
        {
            **{str(out / name): data for name, data in convert.to_files(model).items()},
            str(out / "metrics.json"): as_json(
                {name: value for name, value in asdict(result).items() if name != "history"}
            ),
            str(out / "curves.csv"): curves.as_csv(result.history).encode(),
            str(out / "environment.json"): as_json(facts),
            str(out / "report.html"): page.encode(),
        }
    )


def as_json(values: Mapping[str, Any]) -> bytes:
    """The bytes of a file of a run."""
    return (json.dumps(values, indent=1) + "\n").encode()
