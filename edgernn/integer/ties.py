"""Which values of a static graph have the same quantization parameters."""

from collections.abc import Collection, Iterable

from edgernn.model.graph import Graph
from edgernn.model.operation import Op
from edgernn.model.repeats import roles
from edgernn.model.trace import State


def alike(graph: Graph, names: Collection[str]) -> Iterable[set[str]]:
    """Return those of these values that have the same place in the turns of a layer that steps several times."""
    turns: dict[str, set[str]] = {}
    for name, (role, _) in roles({name: layer.repeats for name, layer in graph.layer_traces.items()}).items():
        if name in names:
            turns.setdefault(role, set()).add(name)
    return turns.values()


def groups(
    operations: Iterable[Op], states: Iterable[State], more: Iterable[set[str]], same: Collection[str]
) -> list[set[str]]:
    """Return the groups of values with equal parameters.

    Args:
        operations: the integer ones.
        states: a state has the same parameters after a step as before it.
        more: groups that are known.
        same: the operations whose results have the parameters of their input.
    """
    ties = [{ref.name for ref in (*op.inputs, *op.outputs)} for op in operations if op.name in same]
    groups: list[set[str]] = []
    for tie in (*ties, *({state.before.name, state.after.name} for state in states), *more):
        overlapping = [group for group in groups if group & tie]
        groups = [group for group in groups if not group & tie] + [tie.union(*overlapping)]
    return groups
