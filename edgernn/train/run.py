"""One training from a recipe and a folder of data to a model that streams, in a folder of its own."""

import json
import logging
import os
import platform
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from numpy.typing import NDArray

from edgernn import disk, file
from edgernn.graph import INPUT, Graph, Layer
from edgernn.readings.count import count
from edgernn.readings.numpy import Stepper
from edgernn.train.data.features import features
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.fit import Task
from edgernn.train.models import Network
from edgernn.train.recipe import Recipe, written
from edgernn_export.translate import from_torch

Array = NDArray[Any]

CHECKPOINT = "last.ckpt"
QUIET = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
KNOWN = (
    ".*does not have many workers.*",  # the data is in memory
    ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of a name that torch deprecates
    ".*Checkpoint directory .* exists and is not empty.*",
)
"""Messages of Lightning that are no news here."""


@dataclass(frozen=True)
class Result:
    """What a training came to.

    Attributes:
        metrics: of the test part, by name, from the model as it streams.
        took_s: seconds of training.
        parameters: of the whole graph, exact cells too.
        history: of each epoch, losses and accuracies by name.
    """

    metrics: dict[str, float]
    took_s: float
    parameters: int
    history: list[dict[str, float]]


def train(
    recipe: Recipe, path: str | os.PathLike[str], out: Path, *, device: str = "auto", resume: bool = False
) -> Result:
    """Read the data, train the network, and write recipe.toml, model.rnn, metrics.json and last.ckpt into a folder.

    Args:
        recipe: what to train.
        path: the data, as the recipe's reader takes it.
        out: the folder; made when it is not there.
        device: "auto", "cpu" or "cuda".
        resume: whether to go on after the last epoch that is finished there.

    Raises:
        EdgernnError: what the reader or the recipe refuses.
        TrainingError: the loss is no number; the last checkpoint is as it was.
    """
    data = read(recipe.reader, path, recipe.options)
    torch.manual_seed(recipe.training.seed)
    network = Network(recipe.shape, data.width, data.outputs, data.rows)
    task = Task(network, data.kind, _part(data, data.train), _part(data, data.test), recipe.training)
    out.mkdir(parents=True, exist_ok=True)
    disk.write(out / "recipe.toml", written(recipe).encode())
    last = out / CHECKPOINT
    began = time.perf_counter()
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    trainer = _trainer(recipe, out, device)
    with warnings.catch_warnings():
        for said in KNOWN:
            warnings.filterwarnings("ignore", said)
        trainer.fit(task, ckpt_path=last if resume and last.exists() else None)
    took = time.perf_counter() - began
    graph = to_graph(network.cpu().eval(), data)
    result = Result(judge(graph, data), round(took, 1), count(graph).parameters, task.history)
    file.save(graph, out / "model.rnn")
    disk.write(out / "metrics.json", (json.dumps(asdict(result) | environment(), indent=1) + "\n").encode())
    return result


def _trainer(recipe: Recipe, out: Path, device: str) -> lightning.Trainer:
    said = recipe.training
    callbacks: list[Any] = [
        ModelCheckpoint(out, Path(CHECKPOINT).stem, save_on_train_epoch_end=True, enable_version_counter=False)
    ]
    if said.patience:
        callbacks.append(EarlyStopping("held_out_loss", patience=said.patience))
    return lightning.Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        max_epochs=said.epochs,
        callbacks=callbacks,
        gradient_clip_val=said.clip or None,
        gradient_clip_algorithm=said.clip_by,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        deterministic=True,
        default_root_dir=out,
    )


def _part(data: Data, part: Sequences) -> tuple[Sequence[Array], Sequence[Array]]:
    return features(data.features, part.frames), list(part.targets)


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


def judge(graph: Graph, data: Data) -> dict[str, float]:
    """The test part through the graph, frame by frame from rest, as a device does it."""
    stepper = Stepper(graph.astype("float32"), "float32")
    answers = [stepper.run(frames)[0] for frames in data.test.frames]
    if data.kind == "class":
        right = [answer[-1].argmax() == target for answer, target in zip(answers, data.test.targets, strict=True)]
        return {"accuracy": round(float(np.mean(right)), 4)}
    scores, targets = np.concatenate(answers), np.concatenate(list(data.test.targets))
    if data.kind == "text":
        shifted = scores - scores.max(axis=-1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return {"nats": round(float(-logs[np.arange(len(targets)), targets].mean()), 4)}
    frames = np.concatenate(data.test.frames)
    values = data.unscaled(targets, frames)
    now = np.broadcast_to(frames[:, :1], values.shape)  # what persistence foretells: that nothing changes
    found: dict[str, float] = {}
    for name, answer in (("rmse", scores), ("persistence", now)):
        each = np.sqrt(np.mean((answer - values) ** 2, axis=0))
        found |= {f"{name} {label}": round(float(one), 4) for label, one in zip(data.labels, each, strict=True)}
    return found


def environment() -> dict[str, Any]:
    """What the figures belong to."""
    packages = ("edgernn", "numpy", "torch", "lightning")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: metadata.version(name) for name in packages},
    }
