"""Mixed precision: what each layer loses when only it is quantized, and which layers to keep in float."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite

from edgernn.errors import UsageError
from edgernn.interpreters.count import count
from edgernn.model.cell import tensors
from edgernn.model.graph import Graph, Layer
from edgernn.passes.rounding import rounded

Score = Callable[[Graph], float]
"""What a graph is worth, such as its accuracy on data that chose no weight: larger is better."""

TRIES = 256


@dataclass(frozen=True)
class Loss:
    """One layer in a scheme and all others as they were.

    Attributes:
        layer: its name.
        score: of the graph with only this layer quantized.
        loss: how much less that is than the graph itself scores; below zero when rounding happens to help.
        saved_bytes: of weights, by this layer; below zero when its rows are so short that the scales take more.
    """

    layer: str
    score: float
    loss: float
    saved_bytes: int


@dataclass(frozen=True)
class Trial:
    """A graph that was scored: the layers that it keeps, its weights in bytes, and the score."""

    keep: tuple[str, ...]
    weight_bytes: int
    score: float


@dataclass(frozen=True)
class Choice:
    """Which layers to keep, for `quantize(graph, scheme, keep=choice.keep)`, and all that was tried on the way."""

    keep: tuple[str, ...]
    trials: tuple[Trial, ...]


def sensitivity(graph: Graph, scheme: str, score: Score) -> tuple[Loss, ...]:
    """For each layer that the scheme changes, in the order of the graph: what its rounding alone costs.

    Raises:
        UsageError: an unknown scheme, nothing left to quantize, or a score that is no number.
    """
    saved = _saved(graph, scheme)
    whole = _scored(graph, score)
    names = [layer.name for layer in graph.layers]
    losses = []
    for layer, fewer in saved.items():
        found = _scored(rounded(graph, scheme, keep=[name for name in names if name != layer]), score)
        losses.append(Loss(layer, found, whole - found, fewer))
    return tuple(losses)


def choose(graph: Graph, scheme: str, score: Score, bound: float, *, tries: int = TRIES) -> Choice:
    """The smallest quantized graph that still scores `bound`: graphs are scored from the smallest on until one does.

    The same arguments give the same choice: of two sets of layers that take as many bytes, the one that stands
    first in the graph is tried first. Layers that the scheme makes no smaller are always kept.

    Args:
        graph: with float weights, or some layers in another scheme already.
        scheme: one of edgernn.model.tensor.SCHEMES.
        score: called once for each graph that is tried, at most for all 2 ** layers.
        bound: the least score that will do.
        tries: how many quantized graphs to score at most.

    Raises:
        UsageError: an unknown scheme, nothing left to quantize, a bound or score that is no number, a bound that the
            graph itself does not reach, or one that no graph reaches in so many tries.
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
    for kept in _by_sum([saved[layer] for layer in layers]):
        keep = tuple(layer for i, layer in enumerate(layers) if i in kept) + always
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
    """Layer that the scheme changes -> the bytes that its weights take less."""
    pairs = zip(graph.layers, rounded(graph, scheme).layers, strict=True)
    saved = {old.name: _layer_bytes(old) - _layer_bytes(new) for old, new in pairs if old.cell != new.cell}
    if not saved:
        raise UsageError(f"no layer is left to quantize as {scheme}: the graph is in {graph.precision} already")
    return saved


def _layer_bytes(layer: Layer) -> int:
    return sum(tensor.nbytes for tensor in tensors(layer.cell).values())


def _scored(graph: Graph, score: Score) -> float:
    found = float(score(graph))
    if not isfinite(found):
        raise UsageError(f"the score of a model in {graph.precision} is {found}; expected a number, larger for better")
    return found


def _by_sum(sizes: Sequence[int]) -> Iterator[frozenset[int]]:
    """Every set of places, by the sum of its sizes; one at a time, since there are 2 ** len(sizes)."""
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], place))
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
