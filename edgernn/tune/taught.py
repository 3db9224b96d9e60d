"""What a candidate is worth by the recipe of its model, which also trains what pruning leaves."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgernn.file import digest
from edgernn.graph import Graph
from edgernn.passes.plan import Plan, cut
from edgernn.train import run
from edgernn.train.core import to_calibrate
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.finetune import finetune
from edgernn.train.judge import METRICS, answers, judge
from edgernn.train.recipe import Recipe, written
from edgernn.train.restore import restore
from edgernn.train.trainer import Place
from edgernn.tune.judge import Answer, Judge


def by_recipe(graph: Graph, recipe: Recipe, path: str | os.PathLike[str], place: Place | None = None) -> Judge:
    """The metric of a recipe on the validation part that it holds out, or on the test part without one.

    Args:
        graph: a model of the recipe in float.
        recipe: what it was trained with; its [training] is that of the fine-tuning.
        path: the data, as the recipe's reader takes it.
        place: what the fine-tuning runs on.

    Raises:
        UsageError: a model that is not of this recipe.
        EdgernnError: as the reader says.
    """
    data = read(recipe.reader, path, recipe.options)
    restore(graph, recipe, data)  # what is not of the recipe is told before everything else
    kept, validation = run.divided(recipe, data)
    part, said = (data.test, "test") if validation is None else (validation, "validation")

    def metrics(answer: Answer) -> dict[str, float]:
        return dict(judge(answer, data, part).metrics)

    before = metrics(answers(graph))
    name = next(iter(before))

    def teach(asked: Plan, out: Path) -> Graph:
        return finetune(cut(graph, asked), recipe, data, pattern=asked.pattern, out=out, place=place)

    return Judge(
        name,
        METRICS[data.kind][1],
        f"the {said} part, {len(part)} sequences",
        lambda answer: metrics(answer)[name],
        before[name],
        tuple(to_calibrate(kept)),
        _key(graph, recipe, data),
        teach,
    )


def _key(graph: Graph, recipe: Recipe, data: Data) -> str:
    said = sha256(digest(graph).encode() + written(recipe).encode())
    for each in (data.train, data.test):
        for array in _arrays(each):
            said.update(f"{array.shape}{array.dtype}".encode() + array.tobytes())
    return said.hexdigest()


def _arrays(part: Sequences) -> tuple[Any, ...]:
    targets = part.targets if isinstance(part.targets, tuple) else (part.targets,)
    return (*part.frames, *targets)
