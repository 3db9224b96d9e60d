"""Mixed precision as a judge sees it: what each layer loses when only it is quantized, and which to keep in float."""

from collections.abc import Callable
from dataclasses import dataclass

from edgernn.interpreters.count import count
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.passes.rounding import rounded
from edgernn.passes.sensitivity import choose, sensitivity
from edgernn.process import interrupt
from edgernn.tune.choice import allowed, lost
from edgernn.tune.evaluate import Evaluator


@dataclass(frozen=True)
class Alone:
    """One layer quantized, and all others as they were.

    Attributes:
        layer: its name.
        metric: what such a model is worth.
        drop: how much less that is than without, in points as `choice.lost` counts; below 0 for more.
        saved_bytes: of weights; below 0 when the scales take more.
    """

    layer: str
    metric: float
    drop: float
    saved_bytes: int


@dataclass(frozen=True)
class Chosen:
    """The smallest model in the scheme that is within the bound.

    Attributes:
        keep: the layers that stay as they were, in the order of the graph; all that have a choice, when none is.
        metric, drop: as in Alone.
        weight_bytes: of all layers.
        judged: how many models were judged for it.
    """

    keep: tuple[str, ...]
    metric: float
    drop: float
    weight_bytes: int
    evaluated: int


@dataclass(frozen=True, eq=False)
class Mixed:
    """What a scheme does to a model, layer by layer.

    Attributes:
        weight_bytes: of the model as it was.
        layers: those that the scheme changes, in the order of the graph.
        kept: which of them to keep under a bound; None without a bound.
    """

    weight_bytes: int
    layers: tuple[Alone, ...]
    kept: Chosen | None

    @property
    def smaller(self) -> bool:
        """Whether there is a model in the scheme within the bound."""
        return self.kept is not None and len(self.kept.keep) < len(self.layers)


@interrupt.deferred()
def mixed(
    graph: Graph,
    scheme: str,
    evaluator: Evaluator,
    bound: float | None = None,
    *,
    progress: Callable[[str], object] = lambda _: None,
) -> Mixed:
    """Judge a model with each layer quantized alone, and with a bound as few kept in float as it takes.

    Args:
        graph: ready for the scheme, as edgernn.passes.prepare makes it.
        scheme: one of edgernn.model.tensor.SCHEMES.
        judge: says what a model is worth, computed as numpy defines it in its own precision.
        bound: the largest drop that will do, in points as `choice.lost` counts; None to choose nothing.
        progress: hears of every model that was judged.

    Raises:
        UsageError: a bound below 0, or what edgernn.passes.sensitivity refuses.
        GraphError: a weight that the scheme cannot hold.
    """
    if bound is not None:
        allowed(bound)
    known: dict[tuple[str, ...], float] = {}

    def metric(made: Graph) -> float:
        interrupt.check()
        names = _changed(graph, made)
        if names not in known:
            known[names] = evaluator.worth(lambda xs: stepper(made).run(xs)[0])
            progress(f"{', '.join(names) or 'nothing'} quantized: {evaluator.metric} {known[names]:.4g}")
        return known[names]

    def drop(made: Graph) -> float:
        return lost(evaluator.before, metric(made), evaluator.better)

    losses = sensitivity(graph, scheme, lambda made: -drop(made))
    layers = tuple(Alone(each.layer, known[each.layer,], -each.score, each.saved_bytes) for each in losses)
    if bound is None:
        return Mixed(count(graph).weight_bytes, layers, None)
    choice = choose(graph, scheme, lambda made: -drop(made), -bound)
    keep = tuple(each.layer for each in layers if each.layer in choice.keep)
    made = graph if len(keep) == len(layers) else rounded(graph, scheme, keep=keep)
    kept = Chosen(keep, metric(made), drop(made), count(made).weight_bytes, len(choice.trials) - 1)
    return Mixed(count(graph).weight_bytes, layers, kept)


def _changed(graph: Graph, made: Graph) -> tuple[str, ...]:
    """The layers that are no longer as they were."""
    return tuple(old.name for old, new in zip(graph.layers, made.layers, strict=True) if old != new)
