"""Whether a file is an ONNX model within bounds, found out without torch."""

from edgernn_export.sources.onnx.loading import loaded


def check(path: str) -> None:
    """Refuse a file that `read` cannot read; raises as `loaded`."""
    loaded(path)
