"""A TOML parser with bounds, for files and options from unknown sources.

The memory that `tomllib` takes grows with the square of the dots in a key, and deep brackets end in a RecursionError.
So the parts of each key are counted before `tomllib` parses the text, and the depth of its result is limited.
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
    """Parse a TOML document.

    Raises:
        ValueError: invalid TOML, a text longer than LONGEST, nesting deeper than DEEPEST, or an integer beyond 64 bits.
    """
    if len(text) > LONGEST:
        raise ValueError(f"it has {len(text):,} characters; expected {LONGEST:,} at most")
    _check_keys(text)
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    _check(document)
    return document


def value(text: str) -> Any:
    """Parse a single TOML value; a text that is not a TOML value is returned as a string.

    Raises:
        UsageError: the value exceeds the bounds of `loads`.
    """
    try:
        return loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
    except ValueError as error:
        raise UsageError(f"the value {text[:40]}... cannot be read: {error}") from error


def _check_keys(text: str) -> None:
    """Refuse a dotted key of more than DEEPEST parts, anywhere in the text."""
    parts, joined = 0, False
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":  # an unterminated string: tomllib parses no further
            return
        if kind == "part":
            parts, joined = parts + 1 if joined else 1, False
            if parts > DEEPEST:
                raise _too_deep()
        elif kind == "dot":
            joined = parts > 0
        elif kind != "space":
            parts, joined = 0, False


def _check(document: Any) -> None:
    """Refuse deep nesting, without recursion, and integers beyond the 64 bits of TOML."""
    level, depth = [document], 0
    while level:
        if depth > DEEPEST:
            raise _too_deep()
        values = [each for node in level for each in (node.values() if isinstance(node, dict) else node)]
        if any(isinstance(each, int) and not -(1 << 63) <= each < 1 << 63 for each in values):
            raise ValueError("it has an integer beyond 64 bits")
        level = [each for each in values if isinstance(each, dict | list)]
        depth += 1


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} deep")
