"""Rounding: where the inputs that affines of dynamic int8 round are stored; repeated steps share memory."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.model.tensor import DYNAMIC
from edgernn.model.trace import Trace


@dataclass(frozen=True)
class Rounded:
    """Where a rounded input is stored.

    Attributes:
        value: the value after which the buffer is called.
        slot: its place in the buffer.
        slots: how many places the buffer has; 0 for the buffer of a value that no repeated step rounds.
    """

    value: str
    slot: int = 0
    slots: int = 0


def rounded_inputs(steps: Trace, roles: Mapping[str, tuple[str, int]]) -> Mapping[str, Rounded]:
    """Where each input is stored, by its name.

    The inputs that a repeated step rounds in its turns have one buffer: with a place for each turn where another turn
    or layer reads them too, else with a single place.

    Args:
        steps: the trace.
        roles: value -> the value in its place in the first turn, and the turn.
    """
    given = {steps.x.name, *(state.before.name for state in steps.states)}
    readers: dict[str, list[tuple[str, int] | None]] = {}  # input -> the role of each reader
    for op in steps.operations:
        if op.name == "affine" and op.args[0].scheme == DYNAMIC:
            readers.setdefault(op.args[1].name, []).append(roles.get(op.outputs[0].name))
    inputs: dict[str, list[tuple[str, int]]] = {}  # role of the first reader -> inputs and turns
    for name, each in readers.items():
        if each[0] is not None and name not in given:
            inputs.setdefault(each[0][0], []).append((name, each[0][1]))
    places = {name: Rounded(name) for name in readers}
    for group in inputs.values():
        layer = group[0][0]
        first = min(turn for _, turn in group)
        alone = all(_one_turn(readers[name]) for name, _ in group)
        slots = 1 if alone else 1 + max(turn for _, turn in group) - first
        places |= {name: Rounded(layer, 0 if alone else turn - first, slots) for name, turn in group}
    return places


def _one_turn(readers: list[tuple[str, int] | None]) -> bool:
    """Whether all readers are in one turn of one layer."""
    return len({role and (role[0].rpartition("/")[0], role[1]) for role in readers}) == 1
