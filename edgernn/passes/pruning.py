"""Pruning requests as text, such as units=0.5, energy=0.95, blocks=0.8, magnitude=0.5 or 2:4, and their application."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, STATIC
from edgernn.passes.factorize import factorize
from edgernn.passes.patterns import Blocks, FewOf, Magnitude, Pattern
from edgernn.passes.prune_units import prune_units
from edgernn.passes.prune_weights import prune_weights

METHODS = ("units", "energy", "blocks", "magnitude", "2:4")


@dataclass(frozen=True)
class Pruning:
    """What is pruned.

    Attributes:
        units: the part of the hidden units that is removed; 0 for none.
        pattern: the sparsity pattern of the remaining matrices; None for dense matrices.
        energy: the share of the energy that the factors of a matrix keep; 1 for whole matrices.
    """

    units: float = 0.0
    pattern: Pattern | None = None
    energy: float = 1.0


def parse_pruning(texts: Sequence[str], scheme: str = "") -> Pruning:
    """Parse pruning requests: at most one of units, one of energy and one of a sparsity pattern.

    Args:
        texts: each is one of METHODS, followed by `=` and a part above 0 and below 1; 2:4, or any N:M, has no part.
        scheme: the scheme of a later quantization; blocks are 16 x 4 when affines compute in int8, else 16 x 1.

    Raises:
        UsageError: an unknown method, an invalid part, or too many requests.
    """
    parts: dict[str, list[float]] = {"units": [], "energy": []}
    patterns: list[Pattern] = []
    for text in texts:
        method, equals, number = text.partition("=")
        few_of = re.fullmatch(r"(\d+):(\d+)", text)
        if few_of:
            patterns.append(_few_of(text, int(few_of[1]), int(few_of[2])))
        elif method == "2:4" or method not in METHODS or not equals:
            close = f": {misspelt(method, METHODS)}" if method not in METHODS else ""
            expected = f"{', '.join(f'{name}=0.5' for name in METHODS[:-1])} or 2:4"
            raise UsageError(f"'{text}' is not a pruning method; write {expected}{close}")
        elif method in parts:
            parts[method].append(_part(text, number))
        elif method == "blocks":
            patterns.append(Blocks(_part(text, number), 4 if scheme in (DYNAMIC, *STATIC) else 1))
        else:
            patterns.append(Magnitude(_part(text, number)))
    if any(len(each) > 1 for each in parts.values()) or len(patterns) > 1:
        raise UsageError(
            f"{' and '.join(texts)} arrived; expected at most one of units, one of energy and one sparsity pattern"
        )
    return Pruning(*parts["units"] or (0.0,), *patterns or (None,), *parts["energy"] or (1.0,))


def shrink(
    graph: Graph, pruning: Pruning, *, keep: Collection[str] = (), importance: Mapping[str, Array] | None = None
) -> Graph:
    """Apply the part of a pruning that changes shapes to a float graph: `prune_units`, then `factorize`.

    Raises:
        UsageError, GraphError: as in both.
    """
    if pruning.units:
        graph = prune_units(graph, pruning.units, importance=importance, keep=keep)
    return factorize(graph, pruning.energy, keep=keep) if pruning.energy < 1 else graph


def apply_pruning(graph: Graph, pruning: Pruning, *, keep: Collection[str] = ()) -> Graph:
    """Apply a whole pruning to a float graph: `shrink`, then `prune_weights`.

    Raises:
        UsageError, GraphError: as in both.
    """
    graph = shrink(graph, pruning, keep=keep)
    return graph if pruning.pattern is None else prune_weights(graph, pruning.pattern, keep=keep)


def _part(text: str, number: str) -> float:
    try:
        part = float(number)
    except ValueError:
        part = -1.0
    if not 0 < part < 1:
        raise UsageError(f"'{text}' has no part; expected a number between 0 and 1, such as 0.5")
    return part


def _few_of(text: str, most: int, of: int) -> FewOf:
    if not 0 < most < of:
        raise UsageError(f"'{text}' keeps none or all of the weights; expected fewer than all, such as 2:4")
    return FewOf(most, of)
