"""Evaluate candidates by the recipe of their model, which is also used for fine-tuning after pruning."""

import os
from hashlib import sha256
from pathlib import Path

from edgernn.artifact.rnn import digest
from edgernn.model.graph import Graph
from edgernn.passes.pruning import Pruning, shrink
from edgernn.train import run
from edgernn.train.compress.finetune import finetune
from edgernn.train.compress.restore import restore
from edgernn.train.data.fingerprint import fingerprint
from edgernn.train.data.trainable import to_calibrate
from edgernn.train.evaluate.metrics import METRICS, answers, evaluate
from edgernn.train.loop.trainer import Accelerator
from edgernn.train.recipe import Recipe, to_toml
from edgernn.tune.cache import TuneCache
from edgernn.tune.evaluate import Evaluator, Predict


def by_recipe(
    graph: Graph,
    recipe: Recipe,
    path: str | os.PathLike[str],
    accelerator: Accelerator | None = None,
    folder: Path | None = None,
) -> Evaluator:
    """An evaluator by the metric of a recipe on its validation part, or on the test part without one.

    Args:
        graph: a float model of the recipe.
        recipe: the recipe of its training; [training] is used for the fine-tuning.
        path: the data, for the reader of the recipe.
        accelerator: where the fine-tuning runs.
        folder: the cache of a tuning that may have begun; None without one.

    Raises:
        UsageError: The model does not match the recipe, or the folder has a tuning on other data.
        EdgernnError: See the reader.
    """
    data = run.read(recipe, path)
    training_data, validation = run.hold_out_validation(recipe, data)
    key = sha256(digest(graph).encode() + to_toml(recipe).encode()).hexdigest()
    data_fingerprint = fingerprint(training_data, validation)
    if folder is not None:
        TuneCache(folder, key, data_fingerprint).check()  # before the model is compared with this data
    restore(graph, recipe, data)  # checks that the model matches the recipe
    part, part_name = (data.test, "test") if validation is None else (validation, "validation")

    def metrics(answer: Predict) -> dict[str, float]:
        return dict(evaluate(answer, data, part).metrics)

    before = metrics(answers(graph))
    name = next(iter(before))

    def train_further(pruning: Pruning, out: Path) -> Graph:
        return finetune(shrink(graph, pruning), recipe, data, pattern=pruning.pattern, out=out, accelerator=accelerator)

    return Evaluator(
        name,
        METRICS[data.kind][1],
        f"the {part_name} part, {len(part)} sequences",
        lambda answer: metrics(answer)[name],
        before[name],
        tuple(to_calibrate(training_data, graph.frames_per_step)),
        key,
        data_fingerprint,
        train_further,
    )
