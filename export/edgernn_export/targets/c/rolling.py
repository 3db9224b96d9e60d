"""Rolling: a sequence of items in which a part recurs at equal distances, as pieces that say how often it recurs."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Item = tuple[Hashable, tuple[int, ...]]
"""What an item is, and its numbers; the numbers alone may change where it recurs."""

TURNS = 3
"""The least number of turns of a loop."""

SAVED = 8
"""The least number of items that a loop saves."""

NEAR = 8
"""How many later items that are like the first of a body are tried as the first of its second turn."""


@dataclass(frozen=True)
class Piece:
    """Consecutive items, repeated.

    Attributes:
        start: the place of the first item in the sequence.
        items: the items of the first turn.
        turns: how often they occur.
        distances: by how much each number of each item grows from turn to turn.
    """

    start: int
    items: tuple[Item, ...]
    turns: int
    distances: tuple[tuple[int, ...], ...]

    @property
    def stop(self) -> int:
        """The place behind the last turn."""
        return self.start + self.turns * len(self.items)


def rolled(items: Sequence[Item], saved: int = SAVED) -> list[Piece]:
    """The pieces of a sequence: loops of TURNS turns or more that save so many items, and the single items between."""
    later: dict[Hashable, list[int]] = {}
    after: list[list[int]] = [[] for _ in items]  # the places of the next items that are alike
    for place in range(len(items) - 1, -1, -1):
        seen = later.setdefault(items[place][0], [])
        after[place] = seen[: -NEAR - 1 : -1]
        seen.append(place)
    pieces, place = [], 0
    while place < len(items):
        pieces.append(_longest(items, place, [near - place for near in after[place]], saved))
        place = pieces[-1].stop
    return pieces


def unrolled(pieces: Sequence[Piece]) -> list[Item]:
    """The sequence that pieces stand for."""
    return [
        (kind, tuple(number + turn * step for number, step in zip(numbers, steps, strict=True)))
        for piece in pieces
        for turn in range(piece.turns)
        for (kind, numbers), steps in zip(piece.items, piece.distances, strict=True)
    ]


def single(items: Sequence[Item], start: int) -> Piece:
    """One item as a piece."""
    return Piece(start, (items[start],), 1, ((0,) * len(items[start][1]),))


def _longest(items: Sequence[Item], start: int, lengths: Sequence[int], saved: int) -> Piece:
    """The loop from `start` on, with a body of one of these lengths, that saves the most items; else the one item."""
    best = single(items, start)
    for length in lengths:
        body = items[start : start + length]
        distances = _distances(body, items[start + length : start + 2 * length])
        if distances is None:
            continue
        turns = 2
        while _recurs(items, start, length, turns, distances):
            turns += 1
        if turns >= TURNS and (turns - 1) * length >= max(saved, 1 + (best.turns - 1) * len(best.items)):
            best = Piece(start, tuple(body), turns, distances)
    return best


def _distances(first: Sequence[Item], second: Sequence[Item]) -> tuple[tuple[int, ...], ...] | None:
    """By how much each number grows from one turn to the next; None where the items are not alike."""
    if [kind for kind, _ in first] != [kind for kind, _ in second]:
        return None
    return tuple(
        tuple(after - before for before, after in zip(numbers, others, strict=True))
        for (_, numbers), (_, others) in zip(first, second, strict=True)
    )


def _recurs(items: Sequence[Item], start: int, length: int, turn: int, distances: Sequence[tuple[int, ...]]) -> bool:
    """Whether the body from `start` on recurs in this turn."""
    at = start + turn * length
    return at + length <= len(items) and all(
        items[at + k][0] == items[start + k][0]
        and all(
            number == first + turn * step
            for number, first, step in zip(items[at + k][1], items[start + k][1], steps, strict=True)
        )
        for k, steps in enumerate(distances)
    )
