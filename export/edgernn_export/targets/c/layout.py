"""Where each value of the step lives: in the scratch of the state, in a carried state, or in the caller's frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgernn.trace import Trace
from edgernn_export.targets.c.groups import Group

LANES = 16


def padded(width: int) -> int:
    """Room for a width, in whole blocks of lanes."""
    return -(-width // LANES) * LANES


@dataclass(frozen=True)
class Layout:
    """Offsets into the scratch, in floats, and the parts that lie inside another value."""

    offsets: Mapping[str, int]
    parts: Mapping[str, tuple[str, int]]  # value -> (the value that it is a part of, the offset there)
    size: int  # floats of scratch, with a block to spare for reading past a part

    def root(self, name: str) -> tuple[str, int]:
        """The value that is not a part itself, and the offset in it."""
        source, at = self.parts.get(name, (name, 0))
        if source == name:
            return name, at
        root, further = self.root(source)
        return root, at + further


def lay_out(steps: Trace, groups: Sequence[Group]) -> Layout:
    """Give each stored value the first free place for as long as it is needed; a split takes no place at all."""
    parts = {
        made.name: (word.reads[0].name, sum(word.widths[:i]))
        for word in steps.words
        if word.name == "split"
        for i, made in enumerate(word.made)
    }
    last = last_groups(steps, groups, Layout({}, parts, 0))
    taken: list[tuple[int, int, int]] = []  # (start, stop, index of the last group that needs it)
    offsets, size = {}, 0
    for i, group in enumerate(groups):
        if group.words[0].name == "split":
            continue
        taken = [place for place in taken if place[2] >= i]
        for made in group.stored:
            start = _first_fit(taken, padded(made.width))
            offsets[made.name] = start
            taken.append((start, start + padded(made.width), last[made.name]))
            size = max(size, start + padded(made.width))
    return Layout(offsets, parts, size + LANES)


def last_groups(steps: Trace, groups: Sequence[Group], parts: Layout) -> Mapping[str, int]:
    """The last group that needs each value, or a part of it; results are needed after all of them."""
    last: dict[str, int] = {}
    for i, group in enumerate(groups):
        for ref in (ref for word in group.words for ref in (*word.reads, *word.made)):
            last[parts.root(ref.name)[0]] = i
    return last | {parts.root(ref.name)[0]: len(groups) for ref in steps.results}


def _first_fit(taken: list[tuple[int, int, int]], width: int) -> int:
    start = 0
    for begin, end, _ in sorted(taken):
        if start + width <= begin:
            return start
        start = max(start, end)
    return start
