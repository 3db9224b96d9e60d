"""The formats that a graph can be written in: one file or folder each, imported when asked for."""

TARGETS = {
    ".c": "edgernn_export.targets.c.target",
    ".onnx": "edgernn_export.targets.onnx.target",
    ".so": "edgernn_export.targets.c.library",
    ".tflite": "edgernn_export.targets.tflite.target",
}
"""The suffix of an artifact -> the module that renders it: `render(graph, stem, place) -> {name of a file: bytes}`."""

WINDOWS = {".onnx": "edgernn_export.targets.onnx.window"}
"""The suffix of an artifact of whole windows -> the module that renders it, as above but of a Window."""

PROVED_BY = {".c": ".so"}
"""The suffix of an artifact that no backend opens -> that of the same code in a form that one does."""
