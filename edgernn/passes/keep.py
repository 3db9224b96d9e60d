"""The layers that a pass leaves unchanged, by the `keep` of its caller."""

from collections.abc import Collection

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import Graph


def check_keep(graph: Graph, keep: Collection[str]) -> None:
    """Check that every layer to keep exists.

    Raises:
        UsageError: the graph has no such layer.
    """
    names = [layer.name for layer in graph.layers]
    for name in keep:
        if name not in names:
            raise UsageError(f"there is no layer '{name}' to keep; {misspelt(name, names)}")
