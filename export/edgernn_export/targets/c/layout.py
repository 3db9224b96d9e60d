"""Layout: where each value of a step is stored, in a scratch array of the struct or inside another value.

Each type of value has its own scratch array, so floats and integers never share memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgernn.model.operation import Ref
from edgernn.model.trace import Trace
from edgernn_export.targets.c.fusion import Group, is_view

LANES = 16
FLOAT = "float"


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


def lay_out(steps: Trace, groups: Sequence[Group], types: Mapping[str, str] | None = None) -> Layout:
    """Give each stored value the first place that is free for as long as it is needed; a view needs no memory.

    Args:
        steps: the trace.
        groups: its operations, in the order in which they run.
        types: value -> the C type of its elements, where that is not float.
    """
    parts = {
        part.name: (op.inputs[0].name, sum(op.widths[:i]))
        for op in steps.operations
        if is_view(op)
        for i, part in enumerate(op.outputs)
    }
    last = last_groups(steps, groups, Layout({}, parts, {}))
    taken: list[tuple[int, int, int, str]] = []  # (start, stop, index of the last group that needs it, type)
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for i, group in enumerate(groups):
        if is_view(group.operations[0]):
            continue
        taken = [place for place in taken if place[2] >= i]
        for ref in group.stored:
            c_type = (types or {}).get(ref.name, FLOAT)
            start = _first_fit([place[:2] for place in taken if place[3] == c_type], room(ref))
            stop = start + room(ref)
            offsets[ref.name] = start
            taken.append((start, stop, last[ref.name], c_type))
            sizes[c_type] = max(sizes.get(c_type, 0), stop + LANES)
    return Layout(offsets, parts, sizes)


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
