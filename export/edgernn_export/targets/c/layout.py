"""Where each value of the step lives: in a scratch of the state, in a carried state, or in the caller's frame.

There is a scratch for each kind of value, so that float and integers never share a place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgernn.model.trace import Trace
from edgernn_export.targets.c.fusion import Group

LANES = 16
FLOAT = "float"  # the kind of value that needs no saying


def padded(width: int) -> int:
    """Room for a width, in whole blocks of lanes."""
    return -(-width // LANES) * LANES


@dataclass(frozen=True)
class Layout:
    """Offsets into the scratch of a value's kind, in elements, and the parts that lie inside another value."""

    offsets: Mapping[str, int]
    parts: Mapping[str, tuple[str, int]]  # value -> (the value that it is a part of, the offset there)
    sizes: Mapping[str, int]  # elements of each scratch, with a block to spare for reading past a part

    def root(self, name: str) -> tuple[str, int]:
        """The value that is not a part itself, and the offset in it."""
        source, at = self.parts.get(name, (name, 0))
        if source == name:
            return name, at
        root, further = self.root(source)
        return root, at + further


def lay_out(steps: Trace, groups: Sequence[Group], kinds: Mapping[str, str] | None = None) -> Layout:
    """Give each stored value the first free place for as long as it is needed; a split takes no place at all.

    Args:
        steps: the trace.
        groups: its words in the order in which they run.
        kinds: value -> what it is made of, where that is not float.
    """
    parts = {
        made.name: (op.inputs[0].name, sum(op.widths[:i]))
        for op in steps.operations
        if op.name == "split"
        for i, made in enumerate(op.outputs)
    }
    last = last_groups(steps, groups, Layout({}, parts, {}))
    taken: list[tuple[int, int, int, str]] = []  # (start, stop, index of the last group that needs it, kind)
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for i, group in enumerate(groups):
        if group.operations[0].name == "split":
            continue
        taken = [place for place in taken if place[2] >= i]
        for made in group.stored:
            kind = (kinds or {}).get(made.name, FLOAT)
            start = _first_fit([place[:2] for place in taken if place[3] == kind], padded(made.width))
            stop = start + padded(made.width)
            offsets[made.name] = start
            taken.append((start, stop, last[made.name], kind))
            sizes[kind] = max(sizes.get(kind, 0), stop + LANES)
    return Layout(offsets, parts, sizes)


def last_groups(steps: Trace, groups: Sequence[Group], parts: Layout) -> Mapping[str, int]:
    """The last group that needs each value, or a part of it; results are needed after all of them."""
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
