"""The formats that a graph can be written in: one file each, `render(graph) -> bytes`, imported when asked for."""

TARGETS = {
    ".onnx": "edgernn_export.targets.onnx",
    ".tflite": "edgernn_export.targets.tflite.target",
}
"""The suffix of an artifact -> the module that renders it."""
