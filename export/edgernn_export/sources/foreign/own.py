"""A file that edgernn itself wrote becomes the graph that it was made from."""

from collections.abc import Mapping

from edgernn.array import Array
from edgernn.artifact.checksum import verify
from edgernn.artifact.manifest import parse_manifest
from edgernn.artifact.rnn import digest
from edgernn.model.graph import Graph
from edgernn_export.origin import graph_of


def original(data: bytes, path: str, text: str, constants: Mapping[str, Array]) -> Graph | None:
    """Return the graph that an artifact was made from; None where the artifact does not hold all of it.

    Args:
        data: the whole file.
        path: for messages.
        text: the description of the graph in the file; see edgernn_export.origin.
        constants: the constants of the file, by name.

    Raises:
        FileError: the file was truncated or altered.
    """
    verify(data, path)
    manifest = parse_manifest(data, path)
    graph = graph_of(text, constants) if text else None
    return graph if graph is not None and digest(graph) == manifest.graph else None
