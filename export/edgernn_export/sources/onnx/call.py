"""A node of an ONNX graph, as the function that computes it sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.errors import UnsupportedError

ADOPT = "or run the file as it is, on its own runtime: edgernn adopt"


@dataclass(frozen=True)
class Call:
    """A node.

    Attributes:
        name: of the node, or of its first result where it has none.
        operator: such as "Gemm".
        opset: the version of the operator set.
        attributes: name -> value: a number, a text, or a list of them.
        results: how many results it has.
    """

    name: str
    operator: str
    opset: int
    attributes: Mapping[str, Any]
    results: int = 1

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    def refuse(self, reason: str) -> UnsupportedError:
        """Return the error for a node that cannot be converted; the reason ends with what to do."""
        return UnsupportedError(f"node '{self.name}' ({self.operator}): {reason}")


@dataclass(frozen=True)
class Operation:
    """What an operator computes: function(call, *operands) returns a tensor, or a tuple of them.

    Attributes:
        function: of torch tensors; an operand that is absent is None.
        static: the positions of operands that must be constants; they arrive as numbers, or lists of them.
    """

    function: Callable[..., Any]
    static: frozenset[int] = frozenset()


def static(*positions: int) -> Callable[[Callable[..., Any]], Operation]:
    """Return a decorator for a function whose operands at these positions must be constants."""
    return lambda function: Operation(function, frozenset(positions))
