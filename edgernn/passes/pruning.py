"""What is asked to go, as people write it: units=0.5, energy=0.95, blocks=0.8, magnitude=0.5 or 2:4; and its going."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgernn.errors import UsageError
from edgernn.files.toml import misspelt
from edgernn.model.graph import Graph
from edgernn.model.tensor import DYNAMIC, STATIC, Array
from edgernn.passes.factorize import factorize
from edgernn.passes.patterns import Blocks, FewOf, Magnitude, Pattern
from edgernn.passes.prune_units import prune_units
from edgernn.passes.prune_weights import prune_weights

KINDS = ("units", "energy", "blocks", "magnitude", "2:4")


@dataclass(frozen=True)
class Pruning:
    """What to prune.

    Attributes:
        units: the part of the hidden units that is removed; 0 for none.
        pattern: the zeros that are put into what is left; None for none.
        energy: the share of each matrix that is kept where its two factors are smaller; 1 for whole matrices.
    """

    units: float = 0.0
    pattern: Pattern | None = None
    energy: float = 1.0


def plan(asked: Sequence[str], scheme: str = "") -> Pruning:
    """The plan in texts, at most one of units, one of energy and one of zeros.

    Args:
        asked: each one of KINDS, with a part above 0 and below 1 where it takes one.
        scheme: in which the graph is quantized afterwards; blocks are 16 x 4 when affines compute in int8, else 16 x 1.

    Raises:
        UsageError: a text that says nothing of the kind, or one too many.
    """
    parts: dict[str, list[float]] = {"units": [], "energy": []}
    patterns: list[Pattern] = []
    for text in asked:
        kind, equals, given = text.partition("=")
        found = re.fullmatch(r"(\d+):(\d+)", text)
        if found:
            patterns.append(_few(text, int(found[1]), int(found[2])))
        elif kind == "2:4" or kind not in KINDS or not equals:
            close = f": {misspelt(kind, KINDS)}" if kind not in KINDS else ""
            wanted = f"{', '.join(f'{name}=0.5' for name in KINDS[:-1])} or 2:4"
            raise UsageError(f"'{text}' prunes nothing; write {wanted}{close}")
        elif kind in parts:
            parts[kind].append(_part(text, given))
        elif kind == "blocks":
            patterns.append(Blocks(_part(text, given), 4 if scheme in (DYNAMIC, *STATIC) else 1))
        else:
            patterns.append(Magnitude(_part(text, given)))
    if any(len(each) > 1 for each in parts.values()) or len(patterns) > 1:
        raise UsageError(
            f"{' and '.join(asked)} arrived; expected at most one of units, one of energy and one kind of zeros"
        )
    return Pruning(*parts["units"] or (0.0,), *patterns or (None,), *parts["energy"] or (1.0,))


def cut(
    graph: Graph, asked: Pruning, *, keep: Collection[str] = (), importance: Mapping[str, Array] | None = None
) -> Graph:
    """What a plan leaves of a graph in float before zeros are put into it: `prune_units`, then `factorize`.

    Raises:
        UsageError, GraphError: as both say.
    """
    if asked.units:
        graph = prune_units(graph, asked.units, importance=importance, keep=keep)
    return factorize(graph, asked.energy, keep=keep) if asked.energy < 1 else graph


def pruned(graph: Graph, asked: Pruning, *, keep: Collection[str] = ()) -> Graph:
    """All that a plan says, at once: `cut`, then `prune_weights`.

    Raises:
        UsageError, GraphError: as both say.
    """
    graph = cut(graph, asked, keep=keep)
    return graph if asked.pattern is None else prune_weights(graph, asked.pattern, keep=keep)


def _part(text: str, given: str) -> float:
    try:
        part = float(given)
    except ValueError:
        part = -1.0
    if not 0 < part < 1:
        raise UsageError(f"'{text}' has no part; expected a number between 0 and 1, such as 0.5")
    return part


def _few(text: str, most: int, of: int) -> FewOf:
    if not 0 < most < of:
        raise UsageError(f"'{text}' leaves nothing or takes nothing; expected fewer than all, such as 2:4")
    return FewOf(most, of)
