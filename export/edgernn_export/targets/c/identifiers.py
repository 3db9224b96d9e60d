"""Identifiers: every value, constant, state and buffer of the generated code has one of its own."""

import re

TAKEN = frozenset({"state", "scratch", "scratch_i8", "scratch_i16", "before", "x", "y", "i"})  # by the code around them


class Names:
    """What a thing is called in C: its name with underscores, and one more for as long as another thing has it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, kind: str, name: str) -> str:
        """The identifier of a thing, such as ("value", "gru/7") or ("constant", "gru.w"); always the same."""
        if (kind, name) not in self._known:
            made = re.sub(r"\W", "_", name, flags=re.ASCII)
            while made in self._known.values() or made in TAKEN:
                made += "_"
            self._known[kind, name] = made
        return self._known[kind, name]
