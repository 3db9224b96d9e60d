"""One training from a recipe and a folder of data to a model, in a folder of its own."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.interpreters.count import count
from edgernn.process import interrupt
from edgernn.train import convert
from edgernn.train.convert import Model
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.fingerprint import FILE, Fingerprint, check, dumps, fingerprint
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.varied import Varied
from edgernn.train.environment import environment
from edgernn.train.evaluate.metrics import Evaluation, answers, evaluate
from edgernn.train.loop.distillation import Teacher
from edgernn.train.loop.task import Part, Task
from edgernn.train.loop.trainer import CHECKPOINT, Place, fit, make, quiet
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network
from edgernn.train.pages import curves

# Here and not when it is written, so that a package which is missing is told before the training and not after it.
from edgernn.train.pages.report import report
from edgernn.train.recipe import Recipe, written

MADE = (CHECKPOINT, *convert.FILES, "metrics.json", "curves.csv", "environment.json", "report.html")
"""What a training leaves in its folder, beside its recipe and the fingerprint of its data."""

ANEW = "train anew, without --resume or in another folder"


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        metrics: of the test part, by name, from the model as it streams or reads whole windows; the first is the one to
            choose by.
        validation: the same of the validation part, when the recipe asks for one.
        took_s: seconds of training by the clock; after a resume, of what was left.
        cpu_s: seconds of all cores together, over all the times that it was resumed.
        frames_per_s: frames on which the network was trained in a second.
        parameters: of the whole graph, exact cells too.
        history: of each epoch, losses, accuracies and norms of the gradient by name.
        notes: what a user must know of the data, and what was wrong with the gradient.
    """

    metrics: Mapping[str, float]
    validation: Mapping[str, float]
    took_s: float
    cpu_s: float
    frames_per_s: float
    parameters: int
    history: Sequence[Mapping[str, float]]
    notes: Sequence[str]


def train(
    recipe: Recipe, path: str | os.PathLike[str], out: Path, *, place: Place | None = None, resume: bool = False
) -> Result:
    """Read the data, train the network, and write recipe, model, checkpoint, metrics and curves into a folder.

    A bidirectional model cannot stream, and is written as model.onnx, which takes whole windows.

    Args:
        recipe: what to train.
        path: the data, as the recipe's reader takes it.
        out: the folder; made when it is not there.
        place: what it runs on.
        resume: whether to go on after the last epoch that is finished there.

    Raises:
        EdgernnError: what the reader or the recipe refuses, or a folder whose training is of another recipe or data.
        TrainingError: the loss is no number; the last checkpoint is as it was.
        FileError: the disk is full; the last checkpoint is as it was.
        KeyboardInterrupt: it was interrupted.
    """
    return train_on(read(recipe.reader, path, recipe.options), recipe, out, place=place, resume=resume)


@interrupt.deferred()
def train_on(data: Data, recipe: Recipe, out: Path, *, place: Place | None = None, resume: bool = False) -> Result:
    """The same with data that is there already, whatever the recipe says of a reader."""
    convert.ready(recipe, data)
    data, validation = divided(recipe, data)
    torch.manual_seed(recipe.training.seed)
    network = Network(recipe.shape, data.width, data.outputs, data.vocabulary_size)
    task = set_to(network, recipe, data, validation)
    with quiet():
        trainer, norms, spent = make(recipe.training, out, place or Place())
        checkpoint = begin(written(recipe), fingerprint(data, validation), out, resume)
        began = time.perf_counter()
        fit(trainer, task, checkpoint)
    took, cpu = time.perf_counter() - began, spent.cpu_s
    model = convert.convert(network.cpu().eval(), data)
    answer = answers(model)
    verdict = evaluate(answer, data, data.test)
    result = Result(
        verdict.metrics,
        {} if validation is None else evaluate(answer, data, validation).metrics,
        round(took, 1),
        round(cpu, 1),
        round(task.frames / took, 1),
        sum(count(graph).parameters for graph in convert.graphs(model)),
        task.history,
        [*data.notes, *norms.notes],
    )
    if trainer.is_global_zero:
        _write(out, recipe, model, verdict, result)
    return result


def divided(recipe: Recipe, data: Data) -> tuple[Data, Sequences | None]:
    """The data without the validation part that a recipe asks for, and that part."""
    share = recipe.training.validation
    return data.divided(share, recipe.training.seed) if share else (data, None)


def set_to(
    network: Network | GraphNetwork,
    recipe: Recipe,
    data: Data,
    validation: Sequences | None,
    teacher: Teacher | None = None,
) -> Task:
    """A network with what it is trained for, watched on the validation part, or on the test part without one."""
    name, watched = ("test", data.test) if validation is None else ("validation", validation)
    return Task(network, data.kind, taught(recipe, data), (name, part(data, watched)), recipe.training, teacher)


def part(data: Data, sequences: Sequences) -> Part:
    """Sequences as the network reads them: behind the cells of `exact`."""
    return Part.fixed(features(data.features, sequences.frames), list(sequences.targets))


def taught(recipe: Recipe, data: Data) -> Part:
    """The training part: varied in every epoch where the recipe says how."""
    if recipe.augment == Augmentation():
        return part(data, data.train)
    return Part(Varied(data, recipe.augment), list(data.train.targets), [len(each) for each in data.train.frames])


def same_data(recipe: Recipe, data: Data, out: Path) -> None:
    """Refuse to go on with a training of a folder that began with other data; nothing where none has begun.

    Raises:
        UsageError: it did; with the difference.
        FileError: what is kept of its data cannot be read.
    """
    if (out / CHECKPOINT).exists():
        check(out / FILE, fingerprint(*divided(recipe, data)), f"the training in '{out}'", ANEW)


def begin(said: str, data: Fingerprint, out: Path, resume: bool) -> Path | None:
    """Make the folder ready: the checkpoint to go on from, or nothing of an earlier training.

    Args:
        said: the recipe, and whatever else the training depends on, as TOML.
        data: of what it is trained on.
        out: the folder.
        resume: whether to go on from what is there.

    Raises:
        UsageError: it is to go on, and what is there is of another recipe, or of other data; with the difference.
        FileError: it is to go on, and there is no fingerprint of the data that it began with.
    """
    kept = out / "recipe.toml"
    if resume and (out / CHECKPOINT).exists():
        if atomic.read(kept) != said.encode():
            raise UsageError(
                f"'{kept}' is not the recipe that this training began with; give the same settings, or {ANEW}"
            )
        check(out / FILE, data, f"the training in '{out}'", ANEW)
        return out / CHECKPOINT
    atomic.make_folder(out)
    for name in MADE:
        with suppress(FileNotFoundError):
            os.unlink(out / name)
    atomic.write_all({str(kept): said.encode(), str(out / FILE): dumps(data)})
    return None


def _write(out: Path, recipe: Recipe, model: Model, verdict: Evaluation, result: Result) -> None:
    """All that a finished training leaves, or none of it."""
    about = environment() | {"cpu_s": result.cpu_s}
    page = report(recipe, model, verdict, result.history, about, result.notes)
    atomic.write_all(
        {
            **{str(out / name): data for name, data in convert.rendered(model).items()},
            str(out / "metrics.json"): _json(
                {name: value for name, value in asdict(result).items() if name != "history"}
            ),
            str(out / "curves.csv"): curves.as_csv(result.history).encode(),
            str(out / "environment.json"): _json(about),
            str(out / "report.html"): page.encode(),
        }
    )


def _json(said: Mapping[str, Any]) -> bytes:
    return (json.dumps(said, indent=1) + "\n").encode()
