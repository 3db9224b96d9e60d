"""An ONNX file that edgernn wrote: the text of its graph, and its constants."""

from edgernn.array import Array
from edgernn_export.origin import KEY
from edgernn_export.sources.onnx.loading import array_of, parsed


def contents(data: bytes) -> tuple[str, dict[str, Array]]:
    """Return the text that describes the graph, "" without one, and the constants by name."""
    model = parsed("the file", data)
    texts = {entry.key: entry.value for entry in model.metadata_props}
    return texts.get(KEY, ""), {each.name: array_of("the file", each) for each in model.graph.initializer}
