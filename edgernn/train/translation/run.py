"""One training of a translator: from a recipe and pairs to a package, its metrics and its log, in a folder."""

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
from edgernn.package import contents
from edgernn.package.translation import Translation
from edgernn.postprocess.translation import Translator, translator_of
from edgernn.process import interrupt
from edgernn.train.environment import environment
from edgernn.train.loop.trainer import Accelerator, fit, make_trainer, quiet
from edgernn.train.pages import curves
from edgernn.train.run import as_json, prepare_folder
from edgernn.train.translation import pairs
from edgernn.train.translation.convert import to_graphs
from edgernn.train.translation.network import PairNetwork
from edgernn.train.translation.pairs import Pair, Pairs
from edgernn.train.translation.recipe import PairRecipe
from edgernn.train.translation.task import PairDataset, PairTask
from edgernn_export.packaging.compose import compose
from edgernn_export.packaging.options import PackageOptions

PACKAGE = "model.edge"

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
        EdgernnError: The data or the recipe is invalid, or the training in the folder has another recipe or other data.
        TrainingError: The loss is not finite; the last checkpoint is kept.
        KeyboardInterrupt: The training was interrupted.
    """
    return train_on(read(recipe, path), recipe, out, accelerator=accelerator, resume=resume)


def read(recipe: PairRecipe, path: str | os.PathLike[str]) -> Pairs:
    """Read the pairs of a recipe.

    Raises:
        FileError, UsageError: See `pairs.read`.
    """
    return pairs.read(path, **recipe.options)


@interrupt.deferred()
def train_on(
    data: Pairs, recipe: PairRecipe, out: Path, *, accelerator: Accelerator | None = None, resume: bool = False
) -> PairResult:
    """As `train`, with pairs in memory."""
    torch.manual_seed(recipe.training.seed)
    network = PairNetwork(recipe.shape, len(data.source), len(data.target))
    task = PairTask(network, _dataset(data, data.train), _dataset(data, data.validation), recipe.training)
    checkpoint = prepare_folder(recipe.toml(), data.fingerprint, out, resume)
    (out / PACKAGE).unlink(missing_ok=True)
    with quiet():
        trainer, norms, cpu_time = make_trainer(recipe.training, out, accelerator or Accelerator())
        started = time.perf_counter()
        fit(trainer, task, checkpoint)
    took = time.perf_counter() - started
    encoder, decoder = to_graphs(network.cpu().eval(), data.memory, data.target)
    packed = _packed(recipe, data, encoder, decoder)
    metrics = evaluate(translator_of(contents.read(packed, PACKAGE)), data.test)
    parameters = sum(count(graph).parameters for graph in (encoder, decoder))
    result = PairResult(metrics, round(took, 1), parameters, task.history, [*data.notes, *norms.notes])
    if trainer.is_global_zero:
        _write(out, packed, result, environment() | {"cpu_s": cpu_time.cpu_s})
    return result


def untrained(recipe: PairRecipe, data: Pairs) -> tuple[Graph, Graph]:
    """The graphs of a recipe with their initial weights. Their steps cost the same as those of trained graphs."""
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
    options = PackageOptions(
        name=recipe.name,
        recipe=recipe.toml(),
        data=data.fingerprint.checksum,
        translation=translation,
        encoder=encoder,
    )
    return compose(decoder, PACKAGE, options)


def _write(out: Path, packed: bytes, result: PairResult, facts: Mapping[str, Any]) -> None:
    metrics = {name: value for name, value in asdict(result).items() if name != "history"}
    atomic.write_all(
        {
            str(out / PACKAGE): packed,
            str(out / "metrics.json"): as_json(metrics),
            str(out / "curves.csv"): curves.as_csv(result.history).encode(),
            str(out / "environment.json"): as_json(facts),
        }
    )
