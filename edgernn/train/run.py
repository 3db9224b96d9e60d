"""One training from a recipe and a folder of data to a model that streams, in a folder of its own."""

import csv
import io
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

from edgernn import disk, file
from edgernn.errors import UsageError
from edgernn.graph import INPUT, Graph, Layer
from edgernn.readings.count import count
from edgernn.train.data.augment import Augmentation
from edgernn.train.data.features import features
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.varied import Varied
from edgernn.train.environment import environment
from edgernn.train.fit import Part, Task
from edgernn.train.judge import judge, streamed
from edgernn.train.models import Network
from edgernn.train.recipe import Recipe, written
from edgernn.train.trainer import CHECKPOINT, Place, make, quiet
from edgernn_export.translate import from_torch

MADE = (CHECKPOINT, "model.rnn", "metrics.json", "curves.csv", "environment.json")
"""What a training leaves in its folder, beside its recipe."""


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        metrics: of the test part, by name, from the model as it streams; the first is the one to choose by.
        validation: the same of the validation part, when the recipe asks for one.
        took_s, cpu_s: seconds of training, by the clock and of all cores together; after a resume, of what was left.
        frames_per_s: frames on which the network was trained in a second.
        parameters: of the whole graph, exact cells too.
        history: of each epoch, losses, accuracies and norms of the gradient by name.
        notes: what was wrong with the gradient.
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

    Args:
        recipe: what to train.
        path: the data, as the recipe's reader takes it.
        out: the folder; made when it is not there.
        place: what it runs on.
        resume: whether to go on after the last epoch that is finished there.

    Raises:
        EdgernnError: what the reader or the recipe refuses, or a folder whose training is of another recipe.
        TrainingError: the loss is no number; the last checkpoint is as it was.
        FileError: the disk is full; the last checkpoint is as it was.
        KeyboardInterrupt: it was interrupted.
    """
    data, validation = _divided(recipe, read(recipe.reader, path, recipe.options))
    torch.manual_seed(recipe.training.seed)
    network = Network(recipe.shape, data.width, data.outputs, data.rows)
    watched = ("test", data.test) if validation is None else ("validation", validation)
    task = Task(network, data.kind, _taught(recipe, data), (watched[0], _part(data, watched[1])), recipe.training)
    checkpoint = _begin(recipe, out, resume)
    with quiet():
        trainer, norms = make(recipe.training, out, place or Place())
        began, cpu = time.perf_counter(), time.process_time()
        try:
            trainer.fit(task, ckpt_path=checkpoint, weights_only=True)
        except SystemExit as error:  # what Lightning makes of an interruption
            raise KeyboardInterrupt from error
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    graph = to_graph(network.cpu().eval(), data)
    answer = streamed(graph)
    result = Result(
        judge(answer, data, data.test).metrics,
        {} if validation is None else judge(answer, data, validation).metrics,
        round(took, 1),
        round(cpu, 1),
        round(task.frames / took, 1),
        count(graph).parameters,
        task.history,
        norms.notes,
    )
    if trainer.is_global_zero:
        _write(out, graph, result)
    return result


def _divided(recipe: Recipe, data: Data) -> tuple[Data, Sequences | None]:
    share = recipe.training.validation
    return data.divided(share, recipe.training.seed) if share else (data, None)


def _part(data: Data, part: Sequences) -> Part:
    return Part.fixed(features(data.features, part.frames), list(part.targets))


def _taught(recipe: Recipe, data: Data) -> Part:
    """The training part: varied in every epoch where the recipe says how."""
    if recipe.augment == Augmentation():
        return _part(data, data.train)
    return Part(Varied(data, recipe.augment), list(data.train.targets), [len(each) for each in data.train.frames])


def _begin(recipe: Recipe, out: Path, resume: bool) -> Path | None:
    """Make the folder ready: the checkpoint to go on from, or nothing of an earlier training.

    Raises:
        UsageError: it is to go on, and what is there is of another recipe.
    """
    said, kept = written(recipe).encode(), out / "recipe.toml"
    if resume and (out / CHECKPOINT).exists():
        if disk.read(kept) != said:
            raise UsageError(
                f"'{kept}' is not the recipe that this training began with; give the same settings, or train anew "
                "without --resume"
            )
        return out / CHECKPOINT
    disk.make_folder(out)
    for name in MADE:
        with suppress(FileNotFoundError):
            os.unlink(out / name)
    disk.write(kept, said)
    return None


def _write(out: Path, graph: Graph, result: Result) -> None:
    """All that a finished training leaves, or none of it."""
    disk.write_all(
        {
            str(out / "model.rnn"): file.dumps(graph),
            str(out / "metrics.json"): _json(
                {name: value for name, value in asdict(result).items() if name != "history"}
            ),
            str(out / "curves.csv"): _csv(result.history),
            str(out / "environment.json"): _json(environment()),
        }
    )


def _json(said: Mapping[str, Any]) -> bytes:
    return (json.dumps(said, indent=1) + "\n").encode()


def _csv(history: Sequence[Mapping[str, float]]) -> bytes:
    """A line per epoch."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for each in history for name in each))
    lines = csv.DictWriter(text, ["epoch", *names], lineterminator="\n")
    lines.writeheader()
    lines.writerows({"epoch": k, **each} for k, each in enumerate(history))
    return text.getvalue().encode()


def to_graph(network: Network, data: Data) -> Graph:
    """The trained network between the cells that make its features and those that undo its scaling.

    So the model takes the data as it is, and answers in its units.
    """
    frames = features(data.features, data.train.frames[:1])[0]
    steps = max(2, min(len(frames), 8))
    shown = np.resize(frames, (steps, frames.shape[1]))
    example = torch.from_numpy(shown[None, :, 0].astype(np.int64) if data.rows else shown[None])
    graph = from_torch(network, example, period_ms=data.period_ms, labels=data.labels)
    before = tuple(Layer(name, cell) for name, cell in data.exact)
    end = before[-1].name if before else INPUT
    layers = tuple(
        Layer(each.name, each.cell, tuple(end if name == INPUT else name for name in each.reads))
        for each in graph.layers
    )
    return Graph((*before, *layers, *data.behind), data.inputs, graph.rest, data.period_ms, data.labels)
