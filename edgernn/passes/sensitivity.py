"""Mixed precision: the loss of each layer when only it is quantized, and the layers to keep in float."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite

from edgernn.errors import UsageError
from edgernn.interpreters.count import count
from edgernn.model.cell import tensors
from edgernn.model.graph import Graph
from edgernn.model.layer import Layer
from edgernn.passes.rounding import rounded

Score = Callable[[Graph], float]
"""A score of a graph, such as its accuracy on validation data; larger is better."""

TRIES = 256


@dataclass(frozen=True)
class Loss:
    """The loss when only one layer is quantized.

    Attributes:
        layer: the name of the layer.
        score: the score of the graph with only this layer quantized.
        loss: the score of the float graph minus `score`; negative when rounding happens to help.
        saved_bytes: the weight bytes that the layer saves; negative when its rows are so short that scales take more.
    """

    layer: str
    score: float
    loss: float
    saved_bytes: int


@dataclass(frozen=True)
class Trial:
    """A graph that was scored: the layers kept in float, the bytes of its weights, and its score."""

    keep: tuple[str, ...]
    weight_bytes: int
    score: float


@dataclass(frozen=True)
class Choice:
    """The layers to keep in float, for `quantize(graph, scheme, keep=choice.keep)`, and all trials."""

    keep: tuple[str, ...]
    trials: tuple[Trial, ...]


def sensitivity(graph: Graph, scheme: str, score: Score) -> tuple[Loss, ...]:
    """Return the loss of each layer that the scheme changes, in the order of the graph, when only it is quantized.

    Raises:
        UsageError: an unknown scheme, no layer to quantize, or a score that is not finite.
    """
    saved = _saved(graph, scheme)
    whole = _scored(graph, score)
    names = [layer.name for layer in graph.layers]
    losses = []
    for layer, fewer in saved.items():
        alone = _scored(rounded(graph, scheme, keep=[name for name in names if name != layer]), score)
        losses.append(Loss(layer, alone, whole - alone, fewer))
    return tuple(losses)


def choose(graph: Graph, scheme: str, score: Score, bound: float, *, tries: int = TRIES) -> Choice:
    """Choose the smallest quantized graph whose score reaches `bound`; graphs are scored in the order of their size.

    The choice is deterministic: of two sets of layers with equal bytes, the one that is first in the graph is tried
    first. Layers that the scheme does not make smaller are always kept in float.

    Args:
        graph: a graph with float weights; some layers may be in another scheme.
        scheme: one of edgernn.model.tensor.SCHEMES.
        score: called once for each graph that is tried, at most for all 2 ** layers.
        bound: the smallest acceptable score.
        tries: the largest number of quantized graphs to score.

    Raises:
        UsageError: an unknown scheme, no layer to quantize, a bound or score that is not finite, a bound that the float
            graph does not reach, or one that no graph reaches within `tries`.
    """
    if not isfinite(bound) or tries < 1:
        raise UsageError(f"bound={bound} and tries={tries} arrived; expected a number, and at least one try")
    saved = _saved(graph, scheme)
    whole = Trial(tuple(saved), count(graph).weight_bytes, _scored(graph, score))
    if whole.score < bound:
        raise UsageError(
            f"the model scores {whole.score:g} before anything is quantized, and the bound is {bound:g}; lower the "
            "bound, or train the model further"
        )
    layers = [layer for layer, fewer in saved.items() if fewer > 0]
    always = tuple(layer for layer in saved if layer not in layers)
    trials = [whole]
    for chosen in _by_sum([saved[layer] for layer in layers]):
        keep = tuple(layer for i, layer in enumerate(layers) if i in chosen) + always
        if len(keep) == len(saved):
            return Choice(keep, tuple(trials))
        if len(trials) > tries:
            break
        smaller = rounded(graph, scheme, keep=keep)
        trials.append(Trial(keep, count(smaller).weight_bytes, _scored(smaller, score)))
        if trials[-1].score >= bound:
            return Choice(keep, tuple(trials))
    best = max(trials[1:], key=lambda trial: trial.score)
    raise UsageError(
        f"none of the {tries} smallest models scores {bound:g}; the best keeps {', '.join(best.keep) or 'nothing'} and "
        f"scores {best.score:g}: lower the bound, or give more tries"
    )


def _saved(graph: Graph, scheme: str) -> dict[str, int]:
    """Return the bytes that each layer saves, for the layers that the scheme changes."""
    pairs = zip(graph.layers, rounded(graph, scheme).layers, strict=True)
    saved = {old.name: _layer_bytes(old) - _layer_bytes(new) for old, new in pairs if old.cell != new.cell}
    if not saved:
        raise UsageError(f"no layer is left to quantize as {scheme}: the graph is in {graph.precision} already")
    return saved


def _layer_bytes(layer: Layer) -> int:
    return sum(tensor.nbytes for tensor in tensors(layer.cell).values())


def _scored(graph: Graph, score: Score) -> float:
    value = float(score(graph))
    if not isfinite(value):
        raise UsageError(f"the score of a model in {graph.precision} is {value}; expected a number, larger for better")
    return value


def _by_sum(sizes: Sequence[int]) -> Iterator[frozenset[int]]:
    """Iterate over all sets of indices in the order of the sum of their sizes; lazily, as there are 2 ** len(sizes)."""
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], index))
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    while waiting:
        total, chosen = heappop(waiting)
        yield frozenset(order[i] for i in chosen)
        last = chosen[-1] if chosen else -1
        if last + 1 < len(order):
            longer = total + sizes[order[last + 1]]
            heappush(waiting, (longer, (*chosen, last + 1)))
            if chosen:
                heappush(waiting, (longer - sizes[order[last]], (*chosen[:-1], last + 1)))
