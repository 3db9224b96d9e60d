"""What a candidate is worth by the recipe of its model, which also trains what pruning leaves."""

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
from edgernn.train.data.reader import read
from edgernn.train.data.trainable import to_calibrate
from edgernn.train.evaluate.metrics import METRICS, answers, evaluate
from edgernn.train.loop.trainer import Place
from edgernn.train.recipe import Recipe, written
from edgernn.tune.cache import TuneCache
from edgernn.tune.evaluate import Answer, Evaluator


def by_recipe(
    graph: Graph,
    recipe: Recipe,
    path: str | os.PathLike[str],
    place: Place | None = None,
    folder: Path | None = None,
) -> Evaluator:
    """The metric of a recipe on the validation part that it holds out, or on the test part without one.

    Args:
        graph: a model of the recipe in float.
        recipe: what it was trained with; its [training] is that of the fine-tuning.
        path: the data, as the recipe's reader takes it.
        place: what the fine-tuning runs on.
        folder: of a tuning that may have begun on this data; None where nothing is kept.

    Raises:
        UsageError: a model that is not of this recipe, or a folder where it was tuned on other data.
        EdgernnError: as the reader says.
    """
    data = read(recipe.reader, path, recipe.options)
    kept, validation = run.divided(recipe, data)
    key = sha256(digest(graph).encode() + written(recipe).encode()).hexdigest()
    made_of = fingerprint(kept, validation)
    if folder is not None:
        TuneCache(folder, key, made_of).check()  # before the model is held against figures of this data
    restore(graph, recipe, data)  # what is not of the recipe is told before everything else
    part, said = (data.test, "test") if validation is None else (validation, "validation")

    def metrics(answer: Answer) -> dict[str, float]:
        return dict(evaluate(answer, data, part).metrics)

    before = metrics(answers(graph))
    name = next(iter(before))

    def teach(asked: Pruning, out: Path) -> Graph:
        return finetune(shrink(graph, asked), recipe, data, pattern=asked.pattern, out=out, place=place)

    return Evaluator(
        name,
        METRICS[data.kind][1],
        f"the {said} part, {len(part)} sequences",
        lambda answer: metrics(answer)[name],
        before[name],
        tuple(to_calibrate(kept)),
        key,
        made_of,
        teach,
    )
