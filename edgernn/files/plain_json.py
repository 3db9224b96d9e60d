"""JSON from files that anybody may have written, within bounds: what is beyond them is refused before it costs much.

Other than `json` alone: no name twice in an object, no NaN and no Infinity, no number that a float64 or a signed 64-bit
integer cannot hold, nothing nested deeper than DEEPEST, and no text longer than LONGEST.
"""

import json
import re
from typing import Any

LONGEST = 1 << 21  # characters; beyond it, empty lists alone could take 64 MB
DEEPEST = 32
DIGITS = 19  # of a whole number; 2^63 has as many
NUMBER = 64  # characters of any other number

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def loads(text: str | bytes, *, finite: bool = True, longest: int = LONGEST) -> Any:
    """The value of a whole text.

    Args:
        text: UTF-8 where it is bytes.
        finite: whether NaN and Infinity are refused; Python writes them, JSON does not have them.
        longest: characters at most; more than LONGEST for a file that grows with somebody's data.

    Raises:
        ValueError: no such JSON, and why.
    """
    if len(text) > longest:
        raise ValueError(f"it has {len(text):,} characters; expected {longest:,} at most")
    told = text.decode() if isinstance(text, bytes) else text
    value, end = decode(told, finite=finite, longest=longest)
    if told[end:].strip():
        raise ValueError(f"there is more behind the JSON, at character {end}")
    return value


def decode(text: str, *, finite: bool = True, longest: int = LONGEST) -> tuple[Any, int]:
    """The value at the beginning of a text, and where it ends; there may be more behind it.

    Raises:
        ValueError: no such JSON, and why.
    """
    within = text[:longest]
    _check_depth(within)
    decoder = _FINITE if finite else _ANY
    found: tuple[Any, int] = decoder.raw_decode(within, len(within) - len(within.lstrip()))
    return found


def _check_depth(text: str) -> None:
    """Refuse what is nested too deep, up to the end of the first value."""
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
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:NUMBER]!r} stands twice in one object")
        found[name] = value
    return found


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS or abs(int(text)) >= 1 << 63:
        raise ValueError(f"a number of {len(text)} characters, {text[:DIGITS]}..., is beyond 64 bits")
    return int(text)


def _number(text: str) -> float:
    if len(text) > NUMBER:
        raise ValueError(f"a number of {len(text)} characters arrived; expected {NUMBER} at most")
    found = float(text)
    if found in {float("inf"), float("-inf")}:
        raise ValueError(f"the number {text} is beyond a float64")
    return found


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


_HOOKS: dict[str, Any] = {"object_pairs_hook": _object, "parse_int": _whole, "parse_float": _number}
_ANY = json.JSONDecoder(**_HOOKS)
_FINITE = json.JSONDecoder(**_HOOKS, parse_constant=_constant)
