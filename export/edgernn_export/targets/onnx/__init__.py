"""The ONNX target."""

from edgernn.errors import MissingExtraError

try:
    import onnx as _onnx  # noqa: F401  asked once for all modules of the target
except ImportError as error:
    raise MissingExtraError("onnx", "export", "writing an .onnx file") from error
