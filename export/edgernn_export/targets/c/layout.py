"""Layout: where each value of a step is stored, in a scratch array of the struct or inside another value.

Each type of value has its own scratch array, so floats and integers never share memory.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgernn.model.operation import Op, Ref
from edgernn.model.trace import Trace
from edgernn_export.targets.c.fusion import Group, is_view

LANES = 16
FLOAT = "float"
NOTHING: Mapping[str, str] = MappingProxyType({})
NO_ROLES: Mapping[str, tuple[str, int]] = MappingProxyType({})


def padded(width: int) -> int:
    """A width rounded up to whole blocks of LANES."""
    return -(-width // LANES) * LANES


def room(ref: Ref) -> int:
    """The elements that a value takes in memory: kernels write each position in whole blocks, one after another."""
    return padded(ref.size - ref.width + padded(ref.width))


@dataclass(frozen=True)
class Layout:
    """Where values are stored.

    Attributes:
        offsets: value -> its offset in the scratch array of its type, in elements.
        parts: value -> the value that it is a part of, and the offset in it.
        sizes: type -> elements of its scratch array, with one block more, because kernels load whole blocks.
    """

    offsets: Mapping[str, int]
    parts: Mapping[str, tuple[str, int]]
    sizes: Mapping[str, int]

    def root(self, name: str) -> tuple[str, int]:
        """The value that contains a part and is no part itself, and the offset in it."""
        source, at = self.parts.get(name, (name, 0))
        if source == name:
            return name, at
        root, further = self.root(source)
        return root, at + further


@dataclass(frozen=True)
class _Place:
    """Memory of one type that is taken until after a group, and the value in it."""

    start: int
    stop: int
    last: int
    c_type: str
    value: str


def lay_out(
    steps: Trace,
    groups: Sequence[Group],
    types: Mapping[str, str] = NOTHING,
    roles: Mapping[str, tuple[str, int]] = NO_ROLES,
    outside: Collection[str] = (),
    work: Callable[[Op], Ref | None] = lambda _: None,
) -> Layout:
    """Give each stored value the first place that is free for as long as it is needed; a view needs no memory.

    A value of a step that repeats gets the place that the value of its role had one or two turns before. Where the
    values of a role are needed for longer, they lie side by side, turn after turn.

    Args:
        steps: the trace.
        groups: its operations, in the order in which they run.
        types: value -> the C type of its elements, where that is not float.
        roles: value -> the value in its place in the first turn, and the turn.
        outside: the values that have fields of their own.
        work: what an operation stores beside its results, until it ends; None where that is nothing.
    """
    parts = {
        part.name: (op.inputs[0].name, sum(op.widths[:i]))
        for op in steps.operations
        if is_view(op)
        for i, part in enumerate(op.outputs)
    }
    needed = [[ref for op in group.operations if (ref := work(op)) is not None] for group in groups]
    last = {ref.name: i for i, refs in enumerate(needed) for ref in refs}
    last |= last_groups(steps, groups, Layout({}, parts, {}))
    turns = _turns(groups, roles)
    taken: list[_Place] = []
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for i, group in enumerate(groups):
        if is_view(group.operations[0]):
            continue
        taken = [place for place in taken if place.last >= i]
        for ref in (*(ref for ref in group.stored if ref.name not in {*offsets, *outside}), *needed[i]):
            c_type = types.get(ref.name, FLOAT)
            same = [place for place in taken if place.c_type == c_type]
            role, turn = roles.get(ref.name, ("", 0))
            each = turns.get(role, {turn: (ref.name, i)})
            side_by_side = each if _outlive(each, last) else {turn: (ref.name, i)}
            before = [each[turn - k][0] for k in (1, 2) if turn - k in each]
            start = _again(before, offsets, same, room(ref), i if group.is_loop else -1)
            if start is None:
                start = _first_fit([(place.start, place.stop) for place in same], room(ref) * len(side_by_side))
            for k, (name, _) in enumerate(side_by_side.values()):
                offsets[name] = start + k * room(ref)
                until = max(last[each] for each, _ in side_by_side.values())
                taken.append(_Place(offsets[name], offsets[name] + room(ref), until, c_type, name))
            sizes[c_type] = max(sizes.get(c_type, 0), start + room(ref) * len(side_by_side) + LANES)
    return Layout(offsets, parts, sizes)


def _turns(groups: Sequence[Group], roles: Mapping[str, tuple[str, int]]) -> dict[str, dict[int, tuple[str, int]]]:
    """Role -> turn -> the value, and the group that stores it."""
    turns: dict[str, dict[int, tuple[str, int]]] = {}
    for i, group in enumerate(groups):
        for ref in group.stored:
            if ref.name in roles:
                role, turn = roles[ref.name]
                turns.setdefault(role, {})[turn] = (ref.name, i)
    return turns


def _outlive(turns: Mapping[int, tuple[str, int]], last: Mapping[str, int]) -> bool:
    """Whether a value of a role is still needed when that of two turns later is stored."""
    return any(turn + 2 in turns and last[name] >= turns[turn + 2][1] for turn, (name, _) in turns.items())


def _again(
    before: Sequence[str], offsets: Mapping[str, int], taken: Sequence[_Place], width: int, loop: int
) -> int | None:
    """The place of a value of the same role, if it is free.

    A loop over elements reads a value for the last time before it stores another in the same place, element by element.
    """
    for name in before:
        start = offsets[name]
        others = [place for place in taken if not (place.value == name and place.last == loop and name == before[0])]
        if all(start + width <= place.start or place.stop <= start for place in others):
            return start
    return None


def last_groups(steps: Trace, groups: Sequence[Group], parts: Layout) -> Mapping[str, int]:
    """The index of the last group that needs each value or a part of it; results are needed after all groups."""
    last: dict[str, int] = {}
    for i, group in enumerate(groups):
        for ref in (ref for op in group.operations for ref in (*op.inputs, *op.outputs)):
            last[parts.root(ref.name)[0]] = i
    return last | {parts.root(ref.name)[0]: len(groups) for ref in steps.results}


def _first_fit(taken: Iterable[tuple[int, int]], width: int) -> int:
    start = 0
    for begin, end in sorted(taken):
        if start + width <= begin:
            return start
        start = max(start, end)
    return start
