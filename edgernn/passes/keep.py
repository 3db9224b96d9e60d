"""The layers that a pass is asked to leave as they are."""

from collections.abc import Collection

from edgernn.errors import UsageError
from edgernn.files.toml import misspelt
from edgernn.model.graph import Graph


def check(graph: Graph, keep: Collection[str]) -> None:
    """Know that every layer to keep is there.

    Raises:
        UsageError: one is not.
    """
    names = [layer.name for layer in graph.layers]
    for name in keep:
        if name not in names:
            raise UsageError(f"there is no layer '{name}' to keep; {misspelt(name, names)}")
