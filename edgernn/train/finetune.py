"""Fine-tuning: a model that was made smaller is trained further, and stays as small as it is."""

import os
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from edgernn.graph import Graph
from edgernn.passes.patterns import Pattern
from edgernn.passes.plan import Plan, cut
from edgernn.passes.prune_weights import prune_weights
from edgernn.passes.quantize import quantize
from edgernn.train import run
from edgernn.train.convert import to_graph
from edgernn.train.data.reader import read
from edgernn.train.data.sequences import Data
from edgernn.train.importance import taylor
from edgernn.train.judge import METRICS, answers, judge
from edgernn.train.recipe import Recipe
from edgernn.train.restore import restore
from edgernn.train.trainer import Place, fit, make, quiet
from edgernn.train.zeros import Zeros


def finetune(
    graph: Graph,
    recipe: Recipe,
    data: Data,
    *,
    pattern: Pattern | None = None,
    keep: Collection[str] = (),
    gradual: bool = True,
    place: Place | None = None,
) -> Graph:
    """Train a model further as its recipe says, from the weights that it has.

    Args:
        graph: a model of the recipe in float, perhaps with fewer units, or its matrices factored.
        recipe: what it was trained with; its [training] is that of the fine-tuning.
        data: what it was trained on.
        pattern: zeros to put into its matrices and to hold there.
        keep: layers without.
        gradual: whether the zeros come little by little, or all at once.
        place: what it runs on.

    Raises:
        UsageError: a model that is not of this recipe.
        GraphError: a pattern that its matrices cannot have, before any training.
        TrainingError: the loss is no number.
        KeyboardInterrupt: it was interrupted.
    """
    network = restore(graph, recipe, data)
    zeros = [] if pattern is None else [Zeros(graph, pattern, keep, gradual=gradual)]
    kept, validation = run.divided(recipe, data)
    torch.manual_seed(recipe.training.seed)
    task = run.set_to(network.train(), recipe, kept, validation)
    with TemporaryDirectory() as folder, quiet():
        trainer, _, _ = make(recipe.training, Path(folder), place or Place(), zeros)
        fit(trainer, task)
    return to_graph(network.cpu().eval(), data)


def compressed(
    graph: Graph,
    recipe: Recipe,
    path: str | os.PathLike[str],
    asked: Plan,
    scheme: str | None = None,
    *,
    keep: Collection[str] = (),
    by_gradient: bool = False,
    gradual: bool = True,
    place: Place | None = None,
) -> tuple[Graph, dict[str, Any]]:
    """Prune a model, train what is left further, and quantize it.

    Args:
        graph: a model of the recipe in float.
        recipe: what it was trained with.
        path: the data, as the recipe's reader takes it.
        asked: what goes.
        scheme: to quantize in at last; None for none.
        keep: layers to leave as they are.
        by_gradient: whether units are chosen by `importance.taylor`, and not by magnitude.
        gradual: whether zeros come little by little.
        place: what it runs on.

    Returns:
        The model, and its metric on the test part: `name`, which way is `better`, and the values `before`, after the
        `cut` alone, and `after` all of it.

    Raises:
        EdgernnError: as the reader, the passes and `finetune` say.
    """
    data = read(recipe.reader, path, recipe.options)
    scores = taylor(graph, recipe, data) if by_gradient and asked.units else None
    small = cut(graph, asked, keep=keep, importance=scores)
    thin = small if asked.pattern is None else prune_weights(small, asked.pattern, keep=keep)
    tuned = finetune(small, recipe, data, pattern=asked.pattern, keep=keep, gradual=gradual, place=place)
    after = quantize(tuned, scheme, keep=keep) if scheme else tuned
    worth = {
        when: judge(answers(each), data, data.test).metrics
        for when, each in (("before", graph), ("cut", thin), ("after", after))
    }
    name = next(iter(worth["before"]))
    values = {when: metrics[name] for when, metrics in worth.items()}
    return after, {"name": name, "better": METRICS[data.kind][1], **values}
