"""One training of a translator: from a recipe and pairs to a package, its metrics and its log, in a folder."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.interpreters.count import count
from edgernn.model.graph import Graph
from edgernn.package.translation import Translation
from edgernn.postprocess.translation import Translator, open_translator
from edgernn.process import interrupt
from edgernn.train.environment import environment
from edgernn.train.loop.trainer import CHECKPOINT, Accelerator, fit, make_trainer, quiet
from edgernn.train.pages import curves
from edgernn.train.translation.convert import to_graphs
from edgernn.train.translation.network import PairNetwork
from edgernn.train.translation.pairs import Pair, Pairs, read
from edgernn.train.translation.recipe import PairRecipe
from edgernn.train.translation.task import PairDataset, PairTask
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions

PACKAGE = "model.edge"
OUTPUTS = (CHECKPOINT, PACKAGE, "metrics.json", "curves.csv", "environment.json")

LONGER = 2
"""A result is cut after so many times the symbols of the longest target of the training part."""


@dataclass(frozen=True)
class PairResult:
    """The result of a training.

    Attributes:
        metrics: on the test part, by the packaged graphs: `exact`, the share of results that equal the target, and
            `symbols`, the share of the target's symbols that are right at their place.
        took_s: wall time of the training in seconds; after a resume, of the resumed part only.
        parameters: of both graphs.
        history: losses, accuracies and gradient norms of each epoch, by name.
        notes: warnings about the data and the gradient.
    """

    metrics: Mapping[str, float]
    took_s: float
    parameters: int
    history: Sequence[Mapping[str, float]]
    notes: Sequence[str]


@interrupt.deferred()
def train(
    recipe: PairRecipe,
    path: str | os.PathLike[str],
    out: Path,
    *,
    accelerator: Accelerator | None = None,
    resume: bool = False,
) -> PairResult:
    """Read the pairs, train the networks, and write package, recipe, checkpoint and metrics into a folder.

    Args:
        recipe: the configuration.
        path: the pairs, as `pairs.read` takes them.
        out: the folder; it is created if it does not exist.
        accelerator: where the training runs.
        resume: whether to resume after the last finished epoch in the folder.

    Raises:
        EdgernnError: The data or the recipe is invalid, or the training in the folder has another recipe.
        TrainingError: The loss is not finite; the last checkpoint is kept.
        KeyboardInterrupt: The training was interrupted.
    """
    data = read(path, **recipe.options)
    torch.manual_seed(recipe.training.seed)
    network = PairNetwork(recipe.shape, len(data.source), len(data.target))
    task = PairTask(network, _dataset(data, data.train), _dataset(data, data.validation), recipe.training)
    checkpoint = _prepared(recipe, out, resume=resume)
    with quiet():
        trainer, norms, cpu_time = make_trainer(recipe.training, out, accelerator or Accelerator())
        started = time.perf_counter()
        fit(trainer, task, checkpoint)
    took = time.perf_counter() - started
    encoder, decoder = to_graphs(network.cpu().eval(), data.memory, data.target)
    packed = _packed(recipe, data, encoder, decoder)
    if trainer.is_global_zero:
        atomic.write(out / PACKAGE, packed)
    metrics = evaluate(open_translator(out / PACKAGE), data.test)
    parameters = sum(count(graph).parameters for graph in (encoder, decoder))
    result = PairResult(metrics, round(took, 1), parameters, task.history, [*data.notes, *norms.notes])
    if trainer.is_global_zero:
        _write(out, result, environment() | {"cpu_s": cpu_time.cpu_s})
    return result


def untrained(recipe: PairRecipe, path: str | os.PathLike[str]) -> tuple[Graph, Graph]:
    """The graphs of a recipe with their initial weights. Their steps cost the same as those of trained graphs."""
    data = read(path, **recipe.options)
    return to_graphs(PairNetwork(recipe.shape, len(data.source), len(data.target)).eval(), data.memory, data.target)


def evaluate(translator: Translator, part: Sequence[Pair]) -> dict[str, float]:
    """The metrics of a translator on pairs; see `PairResult.metrics`. A source beyond the memory counts as wrong."""
    exact, right, symbols = 0, 0, 0
    for source, target in part:
        interrupt.check()
        result, expected = _text(translator, source), _symbols(target, translator.translation.unit)
        actual = _symbols(result, translator.translation.unit)
        exact += actual == expected
        right += sum(a == b for a, b in zip(actual, expected, strict=False))
        symbols += len(expected)
    return {"exact": round(exact / len(part), 4), "symbols": round(right / symbols, 4)}


def _text(translator: Translator, source: str) -> str:
    try:
        return translator.translate(source).text
    except UsageError:  # longer than the memory
        return ""


def _symbols(text: str, unit: str) -> list[str]:
    return list(text) if unit == "character" else text.split()


def _dataset(data: Pairs, part: Sequence[Pair]) -> PairDataset:
    """The pairs of a part whose source is within the memory."""
    sources, targets = data.encoded(part)
    near = [k for k, each in enumerate(sources) if len(each) <= data.memory]
    return PairDataset([sources[k] for k in near], [targets[k] for k in near])


def _packed(recipe: PairRecipe, data: Pairs, encoder: Graph, decoder: Graph) -> bytes:
    longest = LONGER * max(len(each) for each in data.encoded(data.train)[1])
    translation = Translation(data.source, data.target, data.unit, data.memory, longest)
    options = PackageOptions(name=recipe.name, recipe=recipe.toml(), translation=translation, encoder=encoder)
    return compose(decoder, PACKAGE, options)


def _prepared(recipe: PairRecipe, out: Path, *, resume: bool) -> Path | None:
    """Prepare the folder: return the checkpoint to resume from, or remove the files of an earlier training."""
    path = out / "recipe.toml"
    if resume and (out / CHECKPOINT).exists():
        if atomic.read(path) != recipe.toml().encode():
            raise UsageError(
                f"'{path}' differs from the recipe of this run; give the settings that the training began with, or "
                "train without --resume"
            )
        return out / CHECKPOINT
    atomic.make_folder(out)
    for name in OUTPUTS:
        (out / name).unlink(missing_ok=True)
    atomic.write(path, recipe.toml().encode())
    return None


def _write(out: Path, result: PairResult, facts: Mapping[str, Any]) -> None:
    metrics = {name: value for name, value in asdict(result).items() if name != "history"}
    atomic.write_all(
        {
            str(out / "metrics.json"): _json(metrics),
            str(out / "curves.csv"): curves.as_csv(result.history).encode(),
            str(out / "environment.json"): _json(facts),
        }
    )


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()
