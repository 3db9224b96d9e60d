"""macOS on its ARM processors: a `.dylib` with its header."""

from collections.abc import Mapping

from edgernn.model.graph import Graph
from edgernn_export.targets.c import elsewhere
from edgernn_export.targets.destination import Destination


def render(graph: Graph, stem: str, _destination: Destination) -> Mapping[str, bytes]:
    """The library and its header, as `elsewhere.render` gives them."""
    return elsewhere.render(elsewhere.MACOS, graph, stem)
