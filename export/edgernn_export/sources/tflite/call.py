"""An operator of a TFLite graph, as the function that computes it sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgernn.errors import UnsupportedError

ADOPT = "or run the file as it is, on its own runtime: edgernn adopt"


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


@dataclass(frozen=True)
class Operation:
    """What an operator computes: function(call, *operands) returns a tensor, or a tuple of them.

    Attributes:
        function: of torch tensors; an operand that is absent is None.
        static: the places of operands that must be constants; they arrive as numbers, or lists of them.
    """

    function: Callable[..., Any]
    static: frozenset[int] = frozenset()


def static(function: Callable[..., Any], *places: int) -> Operation:
    """Return an operation whose operands at these places must be constants."""
    return Operation(function, frozenset(places))
