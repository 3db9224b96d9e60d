"""A JSON parser with bounds, for files from unknown sources: what exceeds them is refused before it costs much.

It refuses what `json` alone accepts: a name twice in one object, NaN and Infinity, a number beyond float64 or a signed
64-bit integer, nesting deeper than DEEPEST, and a text longer than LONGEST.
"""

import json
import re
from typing import Any

LONGEST = 1 << 21  # characters; in a longer text, empty lists alone could take 64 MB
DEEPEST = 32
DIGITS = 19  # of an integer; 2^63 has 19 digits
NUMBER = 64  # characters of any other number

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def loads(text: str | bytes, *, finite: bool = True, longest: int = LONGEST) -> Any:
    """Parse a text that holds one JSON value.

    Args:
        text: a string, or UTF-8 bytes.
        finite: refuse NaN and Infinity, which Python writes but JSON does not have.
        longest: the largest number of characters; larger than LONGEST for a file that grows with a user's data.

    Raises:
        ValueError: the text is not JSON within the bounds; the message has the reason.
    """
    if len(text) > longest:
        raise ValueError(f"it has {len(text):,} characters; expected {longest:,} at most")
    decoded = text.decode() if isinstance(text, bytes) else text
    value, end = decode(decoded, finite=finite, longest=longest)
    if decoded[end:].strip():
        raise ValueError(f"there is more behind the JSON, at character {end}")
    return value


def decode(text: str, *, finite: bool = True, longest: int = LONGEST) -> tuple[Any, int]:
    """Parse the JSON value at the start of a text; return (value, index of its end). Anything may follow it.

    Raises:
        ValueError: the text does not start with JSON within the bounds; the message has the reason.
    """
    start = text[:longest]
    _check_depth(start)
    decoder = _FINITE if finite else _ANY
    result: tuple[Any, int] = decoder.raw_decode(start, len(start) - len(start.lstrip()))
    return result


def _check_depth(text: str) -> None:
    """Refuse deep nesting, up to the end of the first value."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > DEEPEST:
                raise ValueError(f"it is nested more than {DEEPEST} deep, at character {token.start()}")
        elif token[0] in "]}":
            depth -= 1
        if depth <= 0:
            return


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the name {name[:NUMBER]!r} stands twice in one object")
        members[name] = value
    return members


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS or abs(int(text)) >= 1 << 63:
        raise ValueError(f"a number of {len(text)} characters, {text[:DIGITS]}..., is beyond 64 bits")
    return int(text)


def _number(text: str) -> float:
    if len(text) > NUMBER:
        raise ValueError(f"a number of {len(text)} characters arrived; expected {NUMBER} at most")
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"the number {text} is beyond a float64")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"JSON has no {text}")


_HOOKS: dict[str, Any] = {"object_pairs_hook": _object, "parse_int": _integer, "parse_float": _number}
_ANY = json.JSONDecoder(**_HOOKS)
_FINITE = json.JSONDecoder(**_HOOKS, parse_constant=_constant)
