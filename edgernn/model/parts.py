"""Named parts: several inputs side by side in a frame, and several outputs side by side in an answer."""

import re
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from edgernn.errors import GraphError

NAME = re.compile(r"[A-Za-z0-9_]+")
LONGEST = 64  # characters of a name


def slices(parts: Mapping[str, int]) -> dict[str, slice]:
    """Return where each part is in the whole, by name."""
    ends = list(accumulate(parts.values(), initial=0))
    return {name: slice(start, stop) for name, start, stop in zip(parts, ends, ends[1:], strict=False)}


def names(value: str, parts: Mapping[str, int]) -> Mapping[str, int]:
    """Return the names and widths that a value has in an artifact: `y`, or `y.gain` and `y.voice` for its parts."""
    return {f"{value}.{name}": width for name, width in parts.items()}


def checked(what: str, parts: Any, width: int) -> Mapping[str, int]:
    """Return the parts of a value of this width, read-only.

    Args:
        what: "inputs" or "outputs", for messages.
        parts: the width of each part by name, in order; empty where the value is one.
        width: of the value.

    Raises:
        GraphError: one part alone, a name of other characters, or widths that do not fit.
    """
    fits = isinstance(parts, Mapping) and all(type(each) is int and each >= 1 for each in parts.values())
    if not fits or (parts and (len(parts) < 2 or sum(parts.values()) != width)):
        raise GraphError(
            f"named_{what}={parts!r} arrived; expected the width of each by name, at least two that add up to {width}, "
            "or nothing where there is one"
        )
    for name in parts:
        if not isinstance(name, str) or len(name) > LONGEST or not NAME.fullmatch(name):
            raise GraphError(f"one of the {what} is called {name!r}; use letters, digits and _, at most {LONGEST}")
    return MappingProxyType(dict(parts))
