"""The formats that a graph can be written in: one file or folder each, imported when asked for."""

from edgernn_export.targets.target import Target

TARGETS: dict[str, Target] = {
    target.suffix: target
    for target in (
        Target(".c", "edgernn_export.targets.c.target", proved_by=".so"),
        Target(".dll", "edgernn_export.targets.c.windows", proved_by=".so"),
        Target(".dylib", "edgernn_export.targets.c.macos", proved_by=".so"),
        Target(".onnx", "edgernn_export.targets.onnx.target", window="edgernn_export.targets.onnx.window"),
        Target(".so", "edgernn_export.targets.c.library"),
        Target(".tflite", "edgernn_export.targets.tflite.target"),
        Target(".wasm", "edgernn_export.targets.wasm.target", proved_by=".so", replay="edgernn_export.proof.node"),
    )
}
"""Suffix -> target."""
