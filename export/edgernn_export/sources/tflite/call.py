"""An operator of a TFLite graph, as the function that computes it sees it."""

from dataclasses import dataclass
from typing import Any

from edgernn.errors import UnsupportedError


@dataclass(frozen=True)
class Call:
    """An operator.

    Attributes:
        file: the name of the file.
        operator: its name in BuiltinOperator.
        result: the name of its first result.
        options: its options, or None.
        results: how many results it has.
    """

    file: str
    operator: str
    result: str
    options: Any
    results: int = 1

    def get(self, name: str, default: Any = 0) -> Any:
        """Return an option, by its name in the schema's object API."""
        return getattr(self.options, name, default)

    def refuse(self, reason: str) -> UnsupportedError:
        """Return the error for an operator that cannot be converted."""
        return UnsupportedError(f"'{self.file}': {self.operator} that computes '{self.result}': {reason}")
