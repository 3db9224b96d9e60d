"""Mixed precision: the drop of the metric when one layer is quantized, and which layers to keep in float."""

from collections.abc import Callable
from dataclasses import dataclass

from edgernn.array import Array
from edgernn.interpreters.count import count
from edgernn.interpreters.integer import stepper
from edgernn.model.graph import Graph
from edgernn.model.timing import in_steps
from edgernn.passes.rounding import rounded
from edgernn.passes.sensitivity import choose, sensitivity
from edgernn.process import interrupt
from edgernn.train.evaluate.drop import check_bound, metric_drop
from edgernn.tune.evaluate import Evaluator


@dataclass(frozen=True)
class LayerDrop:
    """The effect of quantizing one layer only.

    Attributes:
        layer: the name of the layer.
        metric: the metric of the model.
        drop: its drop in points (see `drop.metric_drop`); below 0 for a gain.
        saved_bytes: the saved bytes of weights; below 0 if the scales take more.
    """

    layer: str
    metric: float
    drop: float
    saved_bytes: int


@dataclass(frozen=True)
class Selection:
    """The smallest model within the bound.

    Attributes:
        keep: the layers that stay in float, in the order of the graph; all quantizable layers if no model is within the
            bound.
        metric, drop: see `LayerDrop`.
        weight_bytes: the bytes of all weights.
        evaluated: the number of models that were evaluated.
    """

    keep: tuple[str, ...]
    metric: float
    drop: float
    weight_bytes: int
    evaluated: int


@dataclass(frozen=True, eq=False)
class Mixed:
    """The effect of a scheme on a model, layer by layer.

    Attributes:
        weight_bytes: the bytes of the weights of the original model.
        layers: the layers that the scheme changes, in the order of the graph.
        selection: which of them to keep in float within a bound; None without a bound.
    """

    weight_bytes: int
    layers: tuple[LayerDrop, ...]
    selection: Selection | None

    @property
    def smaller(self) -> bool:
        """Whether any layer is quantized within the bound."""
        return self.selection is not None and len(self.selection.keep) < len(self.layers)


@interrupt.deferred()
def mixed(
    graph: Graph,
    scheme: str,
    evaluator: Evaluator,
    bound: float | None = None,
    *,
    on_progress: Callable[[str], object] = lambda _: None,
) -> Mixed:
    """Evaluate a model with one layer quantized at a time; with a bound, keep as few layers in float as needed.

    Args:
        graph: a graph prepared for the scheme by edgernn.passes.prepare.
        scheme: one of edgernn.model.tensor.SCHEMES.
        evaluator: evaluates models, computed by the numpy interpreter of their precision.
        bound: the largest allowed drop in points (see `drop.metric_drop`); None for no selection.
        on_progress: called with a line for every evaluated model.

    Raises:
        UsageError: The bound is below 0, or see edgernn.passes.sensitivity.
        GraphError: The scheme cannot represent a weight.
    """
    if bound is not None:
        check_bound(bound)
    known: dict[tuple[str, ...], float] = {}

    def metric(candidate: Graph) -> float:
        interrupt.check()
        names = _changed(graph, candidate)
        if names not in known:
            known[names] = evaluator.score(
                lambda xs: stepper(candidate).run(in_steps(xs, candidate.frames_per_step, candidate.named_inputs))[0]
            )
            on_progress(f"{', '.join(names) or 'nothing'} quantized: {evaluator.metric} {known[names]:.4g}")
        return known[names]

    def drop(candidate: Graph) -> float:
        return metric_drop(evaluator.baseline, metric(candidate), evaluator.better)

    losses = sensitivity(graph, scheme, lambda candidate: -drop(candidate))
    layers = tuple(LayerDrop(each.layer, known[each.layer,], -each.score, each.saved_bytes) for each in losses)
    if bound is None:
        return Mixed(count(graph).weight_bytes, layers, None)
    choice = choose(graph, scheme, lambda candidate: -drop(candidate), -bound)
    keep = tuple(each.layer for each in layers if each.layer in choice.keep)
    candidate = graph if len(keep) == len(layers) else rounded(graph, scheme, keep=keep)
    selection = Selection(
        keep, metric(candidate), drop(candidate), count(candidate).weight_bytes, len(choice.trials) - 1
    )
    return Mixed(count(graph).weight_bytes, layers, selection)


def _outputs(graph: Graph, frames: Array) -> Array:
    """The outputs of a graph for the frames (time, inputs) of a sequence."""
    return stepper(graph).run(in_steps(frames, graph.frames_per_step, graph.named_inputs))[0]


def _changed(graph: Graph, candidate: Graph) -> tuple[str, ...]:
    """The layers that differ."""
    return tuple(old.name for old, new in zip(graph.layers, candidate.layers, strict=True) if old != new)
