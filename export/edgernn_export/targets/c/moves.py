"""Moves: the elements of a gather as loops over copies of equal length, where its index follows a pattern."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

INDICES = "abcdefgh"
"""The names of the variables of nested loops."""

MOVE = "move"
"""How the emitter counts a move among its calls."""

LOOP_BYTES, RUN_BYTES = 64, 8
"""What a loop takes in code, about, and what a run takes in a table."""


@dataclass(frozen=True)
class Loop:
    """A loop around copies: the number of its turns, and how far both pointers move in each, in elements."""

    turns: int
    to: int
    source: int


@dataclass(frozen=True)
class Move:
    """Copies of `elements` elements from `source` to `to`, repeated by loops, the outermost first."""

    to: int
    source: int
    elements: int
    loops: tuple[Loop, ...] = ()

    def is_like(self, other: "Move") -> bool:
        """Whether only the places of both differ."""
        return (self.elements, self.loops) == (other.elements, other.loops)

    def statement(self, to: str, source: str, element: str) -> str:
        """The move in C; `element` is what `sizeof` takes."""
        turns = zip(INDICES, (loop.turns for loop in self.loops), strict=False)
        heads = "".join(f"EDGERNN_ROLLED for (size_t {i} = 0; {i} < {most}; ++{i}) " for i, most in turns)
        places = (
            _place(to, self.to, [loop.to for loop in self.loops]),
            _place(source, self.source, [loop.source for loop in self.loops]),
        )
        return f"{heads}memcpy({', '.join(places)}, {self.elements} * sizeof({element}));"


def _place(name: str, start: int, steps: Sequence[int]) -> str:
    """The place of a move in an array, moved by each loop's step."""
    terms = (f" {'+' if step >= 0 else '-'} {abs(step)} * {i}" for i, step in zip(INDICES, steps, strict=False))
    return "".join((f"{name} + {start}", *terms))


def runs(index: Sequence[int], width: int) -> list[tuple[int, int]]:
    """The first element and the number of elements of each run of consecutive positions; -1 as the first for zeros."""
    found: list[list[int]] = []
    for row in index:
        last = found[-1] if found else [0, 0]
        if last[1] and (row == -1 if last[0] == -1 else row == last[0] + last[1]):
            last[1] += 1
        else:
            found.append([row, 1])
    return [(first if first < 0 else first * width, count * width) for first, count in found]


def moves(runs: Sequence[tuple[int, int]]) -> list[Move] | None:
    """The moves that copy all runs but those of zeros; None where a table of the runs is smaller than their loops."""
    each, to = [], 0
    for first, elements in runs:
        each += [Move(to, first, elements)] if first >= 0 else []
        to += elements
    while len(rolled := _rolled(each)) < len(each):
        each = rolled
    fits = max((len(move.loops) for move in each), default=0) <= len(INDICES)
    return each if fits and LOOP_BYTES * len(each) <= max(RUN_BYTES * len(runs), LOOP_BYTES) else None


def _rolled(moves: Sequence[Move]) -> list[Move]:
    """The moves with each sequence at equal distances as one move with a loop more."""
    found, at = [], 0
    while at < len(moves):
        turns = _turns(moves, at)
        if turns == 2 and _turns(moves, at + 1) > 2:
            turns = 1  # the second belongs to a longer sequence
        first = moves[at]
        if turns > 1:
            loop = Loop(turns, moves[at + 1].to - first.to, moves[at + 1].source - first.source)
            first = replace(first, loops=(loop, *first.loops))
        found.append(first)
        at += turns
    return found


def _turns(moves: Sequence[Move], at: int) -> int:
    """The number of moves from `at` on that differ in their places alone, at equal distances."""
    first, turns = moves[at], 1
    while (
        (end := at + turns) < len(moves)
        and moves[end].is_like(first)
        and moves[end].to - first.to == turns * (moves[at + 1].to - first.to)
        and moves[end].source - first.source == turns * (moves[at + 1].source - first.source)
    ):
        turns += 1
    return turns
