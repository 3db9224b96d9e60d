"""A node of an ONNX graph, as the function that computes it sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgernn.errors import UnsupportedError


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
