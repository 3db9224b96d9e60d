"""An ONNX file that edgernn wrote: the text of its graph, and its constants."""

import onnx
from onnx import numpy_helper

from edgernn.array import Array
from edgernn_export.origin import KEY


def contents(data: bytes) -> tuple[str, dict[str, Array]]:
    """Return the text that describes the graph, "" without one, and the constants by name."""
    model = onnx.load_from_string(data)
    texts = {entry.key: entry.value for entry in model.metadata_props}
    return texts.get(KEY, ""), {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
