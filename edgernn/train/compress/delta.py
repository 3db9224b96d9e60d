"""Thresholds for changes, chosen by validation data and trained with."""

from collections.abc import Callable, Collection
from dataclasses import replace

from edgernn.errors import UsageError
from edgernn.model.graph import Graph
from edgernn.model.timing import in_steps
from edgernn.passes.agreement import outputs
from edgernn.passes.delta import delta, without_thresholds
from edgernn.passes.thresholds import DeltaRequest, choose_thresholds
from edgernn.train import run
from edgernn.train.data.sequences import Data
from edgernn.train.evaluate.drop import metric_drop
from edgernn.train.evaluate.metrics import METRICS, evaluate
from edgernn.train.recipe import Recipe

HELD_OUT = 0.1
"""The share of the training part that chooses thresholds where the recipe has no validation part."""

MORE = 4.0
"""How many times the allowed loss thresholds may have before the training, which makes up for most of it."""


GENTLE = 0.25
"""The learning rate of the training with thresholds, in that of the recipe: the weights stay near the trained ones."""


def gentle(recipe: Recipe) -> Recipe:
    """Return the recipe with the learning rate of a training with thresholds."""
    return replace(recipe, training=replace(recipe.training, rate=GENTLE * recipe.training.rate))


def with_validation(recipe: Recipe) -> Recipe:
    """Return the recipe with a validation part."""
    share = recipe.training.validation or HELD_OUT
    return replace(recipe, training=replace(recipe.training, validation=share))


def with_thresholds(
    graph: Graph,
    request: DeltaRequest,
    recipe: Recipe,
    data: Data,
    *,
    keep: Collection[str] = (),
    further: Callable[[Graph], Graph] | None = None,
) -> Graph:
    """Return a model with thresholds, trained with them.

    Chosen thresholds lose at most the points of the request on the validation part, on which the model is not trained:
    of the metric of the model that arrives, or of the trained one without thresholds where that is better. The first
    that are trained with may lose MORE times as many before, and they are chosen again at the end.

    Args:
        graph: a float model.
        request: the thresholds, or the points that they may lose.
        recipe: with a validation part, see `with_validation`.
        data: the data of the recipe.
        keep: the names of layers that use every change.
        further: trains a model further; None for thresholds without training.

    Raises:
        EdgernnError: as the passes and the training raise.
    """
    if request.points is None:
        fixed = delta(graph, x=request.x, h=request.h, keep=keep)
        return fixed if further is None else further(fixed)
    _, validation = run.hold_out_validation(recipe, data)
    if validation is None:
        raise UsageError("thresholds are chosen by a validation part, and the recipe has none; set training.validation")
    part, better = validation, METRICS[data.kind][1]
    steps = [in_steps(each, graph.frames_per_step, graph.named_inputs) for each in part.frames]

    def metric(model: Graph) -> float:
        answers = iter(outputs(model, steps))
        return next(iter(evaluate(lambda _: next(answers), data, part).metrics.values()))

    def chosen(model: Graph, baseline: float, points: float) -> Graph:
        return choose_thresholds(
            model, lambda each: -metric_drop(baseline, metric(each), better), -points, part.frames, keep=keep
        )

    before = metric(graph)
    if further is None:
        return chosen(graph, before, request.points)
    trained = further(chosen(graph, before, MORE * request.points))
    after = metric(without_thresholds(trained))
    return chosen(trained, after if metric_drop(before, after, better) < 0 else before, request.points)
