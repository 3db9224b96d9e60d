"""TOML from files and commands that anybody may have written, within bounds.

`tomllib` takes memory that grows with the square of the dots in a key, and ends in a RecursionError on deep brackets:
keys are counted before it reads, and what it answers has a bounded depth.
"""

import re
import tomllib
from typing import Any

from edgernn.errors import UsageError

LONGEST = 1 << 17  # characters
DEEPEST = 16

_TOKEN = re.compile(
    r"""
    (?P<text>"{3}(?:[^\\]|\\.)*?"{3}|'{3}.*?'{3})
    |(?P<part>"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'|[A-Za-z0-9_-]++)
    |(?P<open>["'])
    |(?P<dot>\.)
    |(?P<space>[ \t]++)
    |\#[^\n]*+
    |.
    """,
    re.DOTALL | re.VERBOSE,
)


def loads(text: str) -> dict[str, Any]:
    """What a TOML says.

    Raises:
        ValueError: no TOML, one longer than LONGEST, nested deeper than DEEPEST, or with a number beyond 64 bits.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters; expected {LONGEST:,} at most")
    _check_keys(text)
    try:
        said = tomllib.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    _check(said)
    return said


def value(text: str) -> Any:
    """A value as it stands in TOML; what is none is the text itself.

    Raises:
        UsageError: a value beyond the bounds of `loads`.
    """
    try:
        return loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
    except ValueError as error:
        raise UsageError(f"the value {text[:40]}... cannot be read: {error}") from error


def _check_keys(text: str) -> None:
    """Refuse a key of more than DEEPEST parts with dots between them, wherever it stands."""
    parts, joined = 0, False
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":  # of a text that never ends: tomllib reads no further
            return
        if kind == "part":
            parts, joined = parts + 1 if joined else 1, False
            if parts > DEEPEST:
                raise _too_deep()
        elif kind == "dot":
            joined = parts > 0
        elif kind != "space":
            parts, joined = 0, False


def _check(said: Any) -> None:
    """Refuse what is nested too deep, without being so itself, and whole numbers that TOML does not have."""
    level, depth = [said], 0
    while level:
        if depth > DEEPEST:
            raise _too_deep()
        values = [each for held in level for each in (held.values() if isinstance(held, dict) else held)]
        if any(isinstance(each, int) and not -(1 << 63) <= each < 1 << 63 for each in values):
            raise ValueError("a whole number in it is beyond 64 bits")
        level = [each for each in values if isinstance(each, dict | list)]
        depth += 1


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} deep")
