"""C identifiers: each value, constant, state and buffer of the generated code has its own."""

import re

TAKEN = frozenset({"state", "scratch", "scratch_i8", "scratch_i16", "before", "x", "y", "i", "turn"})
"""Identifiers that the templates use."""


class Identifiers:
    """Gives each thing one identifier: its name with underscores, and more underscores while another thing has it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, kind: str, name: str) -> str:
        """The identifier of a thing, such as ("value", "gru/7") or ("constant", "gru.w"); the same in every call."""
        if (kind, name) not in self._known:
            identifier = re.sub(r"\W", "_", name, flags=re.ASCII)
            while identifier in self._known.values() or identifier in TAKEN:
                identifier += "_"
            self._known[kind, name] = identifier
        return self._known[kind, name]
