"""Loops: statements that recur, equal but for the places that they read and write, as the body of a loop."""

import re
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgernn_export.targets.c.rolling import Item, Piece, rolled, single

TURN = "turn"
"""The name of a loop's variable."""

TOKEN = re.compile(r"[A-Za-z_]\w*|\.?\d(?:[eE][+-]|[\w.])*|\s+|.")
BEFORE, BEHIND = ("(", ",", "=", "+"), (")", ",", ";", "+")  # between these a sum needs no parentheses


@dataclass(frozen=True)
class Pointer:
    """The declaration of a pointer: its name, its type, and where it points, as a base and a number of elements."""

    name: str
    c_type: str
    base: str
    offset: int

    @property
    def text(self) -> str:
        """The statement."""
        return f"{self.c_type} *const {self.name} = {self.base} + {self.offset};"


@dataclass(frozen=True)
class Statement:
    """A statement of the step, of one line or several.

    Attributes:
        layer: the name of the layer that it belongs to.
        text: the statement.
        pointer: what it declares, if it declares a pointer.
        variables: the names of the variables that it declares for itself alone.
        calls: how often it calls each function.
        together: the statement for several streams at once; empty where it is repeated for each of them.
    """

    layer: str
    text: str
    pointer: Pointer | None = None
    variables: tuple[str, ...] = ()
    calls: Mapping[str, int] = field(default_factory=Counter)
    together: str = ""

    def under(self, condition: str) -> "Statement":
        """The statement behind `if (...)`, but for a declaration."""
        return self if self.pointer or not condition else replace(self, text=f"{condition}{self.text}")


@dataclass(frozen=True)
class _Parsed:
    """A statement in tokens.

    Attributes:
        tokens: its text.
        numbers: which tokens may change from turn to turn: places of pointers, and whole numbers that are added.
        item: what the statement is, and the values of these.
    """

    tokens: tuple[str, ...]
    numbers: tuple[int, ...]
    item: Item


def with_loops(statements: Sequence[Statement], results: Collection[str]) -> list[Statement]:
    """The statements, with a loop in the place of each run that recurs.

    Args:
        statements: those of a step, in order.
        results: the names of the pointers that are read after them.
    """
    statements = [statements[i] for i in _used(statements, results)]
    places = _places(statements)
    parsed = [_parsed(statement, places) for statement in statements]
    items = [each.item for each in parsed]
    pieces = [part for piece in rolled(items) for part in _apart(piece, items, statements)]
    if all(piece.turns == 1 for piece in pieces):
        return list(statements)
    declared = {each.pointer.name: i for i, each in enumerate(statements) if each.pointer}
    needed, written = set(results), []
    for piece in reversed(pieces):
        first = statements[piece.start]
        if piece.turns == 1:
            if first.pointer is None or first.pointer.name in needed:
                written.append(first)
                needed |= places.keys() & {*parsed[piece.start].tokens}
            continue
        behind = [name for name in needed if piece.start <= declared.get(name, -1) < piece.stop]
        for name in sorted(behind, key=declared.__getitem__, reverse=True):
            pointer = statements[declared[name]].pointer
            assert pointer is not None
            written.append(_at(first.layer, Pointer(name, pointer.c_type, *places[name])))
        needed -= {*behind}
        body = range(piece.start, piece.start + len(piece.items))
        written.append(_loop(piece, [statements[i] for i in body], [parsed[i] for i in body]))
        used = places.keys() & {token for i in body for token in parsed[i].tokens}
        needed |= {name for name in used if declared[name] < piece.start}
    written.reverse()
    return [written[i] for i in _used(written, results)]


def _used(statements: Sequence[Statement], results: Collection[str]) -> list[int]:
    """The places of the statements without declarations of pointers that none of the others reads."""
    needed, used = {*results}, []
    for i in reversed(range(len(statements))):
        pointer = statements[i].pointer
        if pointer is None or pointer.name in needed:
            used.append(i)
            needed |= {*TOKEN.findall(statements[i].text)}
    return used[::-1]


def _apart(piece: Piece, items: Sequence[Item], statements: Sequence[Statement]) -> list[Piece]:
    """The piece; its items one by one where it would loop over nothing but declarations."""
    if any(each.pointer is None for each in statements[piece.start : piece.start + len(piece.items)]):
        return [piece]
    return [single(items, i) for i in range(piece.start, piece.stop)]


def _at(layer: str, pointer: Pointer) -> Statement:
    return Statement(layer, pointer.text, pointer)


def _places(statements: Sequence[Statement]) -> dict[str, tuple[str, int]]:
    """Pointer -> the array into which it points, and the offset in it."""
    places: dict[str, tuple[str, int]] = {}
    for pointer in (each.pointer for each in statements if each.pointer):
        base, offset = places.get(pointer.base, (pointer.base, 0))
        places[pointer.name] = (base, offset + pointer.offset)
    return places


def _parsed(statement: Statement, places: Mapping[str, tuple[str, int]]) -> _Parsed:
    tokens = tuple(TOKEN.findall(statement.text))
    kinds: list[Hashable] = [statement.layer]
    numbers, values = [], []
    before = ""  # the last token that is not a space
    for i, token in enumerate(tokens):
        kind: Hashable = token
        if token in places:
            array, offset = places[token]
            kind = ("pointer", array)
            numbers.append(i)
            values.append(offset)
        elif token in statement.variables:
            kind = ("variable", statement.variables.index(token))
        elif token.isdecimal() and before in {"+", "["}:
            kind = ("number",)
            numbers.append(i)
            values.append(int(token))
        kinds.append(kind)
        before = before if token.isspace() else token
    return _Parsed(tokens, tuple(numbers), (tuple(kinds), tuple(values)))


def _loop(
    piece: Piece,
    statements: Sequence[Statement],
    parsed: Sequence[_Parsed],
) -> Statement:
    """The loop that a piece stands for."""
    moves = {  # pointer -> by how much the loop's own declaration moves it
        each.pointer.name: dict(zip(parse.numbers, steps, strict=True))[parse.tokens.index(each.pointer.name)]
        for each, parse, steps in zip(statements, parsed, piece.distances, strict=True)
        if each.pointer
    }
    lines, kept = [], {*_used(statements, ())}
    for i, (parse, steps) in enumerate(zip(parsed, piece.distances, strict=True)):
        if i not in kept:
            continue
        tokens = list(parse.tokens)
        for at, step in zip(parse.numbers, steps, strict=True):
            tokens[at] = _moved(tokens, at, step - moves.get(tokens[at], 0))
        lines += "".join(tokens).splitlines()
    head = f"for (size_t {TURN} = 0; {TURN} < {piece.turns}; ++{TURN}) {{"
    text = "\n".join([head, *(f"    {line}" for line in lines), "}"])
    calls: Counter[str] = sum((Counter(each.calls) for each in statements), Counter())
    return Statement(statements[0].layer, text, calls=calls)


def _moved(tokens: Sequence[str], i: int, step: int) -> str:
    """A token, moved by a distance in each turn."""
    if not step:
        return tokens[i]
    way = f"{'+' if step > 0 else '-'} {abs(step)} * {TURN}"
    moved = f"{abs(step)} * {TURN}" if tokens[i] == "0" and step > 0 else f"{tokens[i]} {way}"
    before = next((token for token in reversed(tokens[:i]) if not token.isspace()), "")
    behind = next((token for token in tokens[i + 1 :] if not token.isspace()), "")
    return moved if before in BEFORE and behind in BEHIND else f"({moved})"
