"""The choice of thresholds for changes: the ones with which a model reads fewest weights and still reaches a score."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.interpreters.ranges import RangeObserver
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.model.timing import in_steps
from edgernn.passes.delta import delta, without_thresholds

FACTORS = (0.0, *(0.05 * 2 ** (k / 2) for k in range(12)))
"""The thresholds that are tried, in standard deviations of the values that they are for."""

SEEN = 16  # sequences from which standard deviations and the share of weights are computed


@dataclass(frozen=True)
class DeltaRequest:
    """What a user asks for: thresholds, or the points of the metric that they may lose."""

    points: float | None = None
    x: float | None = None
    h: float | None = None


def parse_delta(text: str) -> DeltaRequest:
    """Parse `0.3`, `x=0.5`, `h=0.2` or `x=0.5,h=0.2`.

    Raises:
        UsageError: anything else, or a number that is below 0 or not finite.
    """
    parts = dict(part.partition("=")[::2] for part in text.split(",") if "=" in text)
    try:
        numbers = {name: float(value) for name, value in parts.items()} or {"points": float(text)}
        request = DeltaRequest(**numbers)
    except (ValueError, TypeError):
        request = DeltaRequest()
    values = [each for each in (request.points, request.x, request.h) if each is not None]
    if not values or "points" in parts or not all(0 <= each < np.inf for each in values):
        raise UsageError(
            f"--delta {text} arrived; expected the points that may be lost, such as 0.3, or thresholds from 0 on, such "
            "as x=0.5,h=0.2"
        )
    return request


def requested_thresholds(text: str | None, precision: str | None, *, trains: bool) -> DeltaRequest | None:
    """Return what the option --delta asks for; None without it.

    Raises:
        UsageError: it cannot be done: thresholds are to be chosen without a recipe, or the precision keeps no sums.
    """
    if text is None:
        return None
    request = parse_delta(text)
    if request.points is not None and not trains:
        raise UsageError(
            f"--delta {text} chooses thresholds by validation data; give --recipe RECIPE and --data PATH, or the "
            "thresholds themselves: --delta x=0.5,h=0.2"
        )
    if precision == DYNAMIC:
        raise UsageError(
            f"{DYNAMIC} has a new scale at every step, so that no sum can be kept; with --delta give --precision "
            f"{' or '.join(STATIC)}, or none"
        )
    return request


@dataclass(frozen=True, eq=False)
class _Search:
    """A model, and what is known of it with thresholds of FACTORS, by the places of both factors.

    Attributes:
        graph: without thresholds.
        spreads: the layer -> the standard deviation of what a threshold is for, for `x` and `h`.
    """

    graph: Graph
    spreads: Mapping[str, Mapping[str, float]]
    score: Callable[[Graph], float]
    bound: float
    sequences: Sequence[Array]
    reached: dict[tuple[int, int], bool] = field(default_factory=dict)

    def at(self, place: tuple[int, int]) -> Graph:
        """Return the model with thresholds."""
        of_x, of_h = (FACTORS[k] for k in place)

        def changed(name: str, factor: float, of: str) -> float | None:
            return float(np.float32(factor * self.spreads[of][name])) if name in self.spreads[of] else None

        layers = (
            replace(each, delta_x=changed(each.name, of_x, "x"), delta_h=changed(each.name, of_h, "h"))
            for each in self.graph.layers
        )
        return replace(self.graph, layers=tuple(layers), ranges={})

    def reaches(self, place: tuple[int, int]) -> bool:
        """Return whether the model with thresholds reaches the bound."""
        if place not in self.reached:
            self.reached[place] = max(place) < len(FACTORS) and self.score(self.at(place)) >= self.bound
        return self.reached[place]

    def cost(self, place: tuple[int, int]) -> float:
        """Return the share of the weights that a step reads."""
        return weights_read(self.at(place), self.sequences)


def choose_thresholds(
    graph: Graph,
    score: Callable[[Graph], float],
    bound: float,
    sequences: Sequence[Array],
    *,
    keep: Collection[str] = (),
) -> Graph:
    """Return the graph with thresholds with which its score is at least `bound`.

    Both thresholds grow together as far as the bound allows, and then one at a time, the one first with which a step
    reads fewer weights. They are multiples of the standard deviation of the values of each layer.

    Args:
        graph: with float weights.
        score: such as its accuracy on validation data; larger is better. It is called for about ten graphs.
        bound: the smallest acceptable score; thresholds of 0 are taken to reach it.
        sequences: real frames, (time, width of a frame) each.
        keep: the names of layers that use every change.

    Raises:
        UsageError: as `delta` raises.
    """
    steps = [in_steps(each, graph.frames_per_step, graph.named_inputs) for each in sequences[:SEEN]]
    plain = without_thresholds(graph)
    spreads = {of: _spreads(delta(plain, **{of: 0.0}, keep=keep), steps) for of in ("x", "h")}
    search = _Search(plain, spreads, score, bound, steps)
    low, high = 0, len(FACTORS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if search.reaches((middle, middle)) else (low, middle)
    place = low, low
    while True:
        further = [each for each in ((place[0] + 1, place[1]), (place[0], place[1] + 1)) if search.reaches(each)]
        if not further:
            return search.at(place)
        place = min(further, key=search.cost)


def _spreads(graph: Graph, sequences: Sequence[Array]) -> dict[str, float]:
    """Return the standard deviation of the values that each layer holds; a layer that holds none is left out."""
    holds = [op for op in graph.trace.operations if op.name == "hold"]
    values: dict[str, list[Array]] = {op.layer: [] for op in holds}
    for step in RangeObserver(graph, sequences).frames():
        for op in holds:
            values[op.layer].append(step[op.args[0].name].reshape(-1))
    return {layer: float(np.concatenate(each).std()) for layer, each in values.items()}


def weights_read(graph: Graph, sequences: Sequence[Array]) -> float:
    """Return the share of the weights that a step reads, of all matrices but those of features.

    Args:
        graph: with float weights; without thresholds it reads all.
        sequences: real steps, (time, inputs) each.
    """
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    holds = {op.outputs[0].name: op for op in graph.trace.operations if op.name == "hold"}
    affines = [op for op in graph.trace.operations if op.name == "affine" and op.layer not in exact]
    read = every = 0.0
    for values in RangeObserver(graph, sequences).frames():
        for op in affines:
            x, rows = values[op.args[1].name], op.args[0].shape[0]
            hold = holds.get(op.args[1].name)
            every += x.size * rows
            read += rows * (x.size if hold is None else np.count_nonzero(x != values[hold.args[1].name]))
    return read / every
