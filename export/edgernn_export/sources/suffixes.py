"""The files of other tools that are read: their suffixes, and the package that reads each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Source:
    """A package that reads files: `read(path, options) -> ForeignModel`.

    Attributes:
        module: with `read`.
        package: that it needs besides torch; "" for none.
        extra: of edgernn that installs the package.
        content: what the files hold, for help and messages.
    """

    module: str
    package: str
    extra: str
    content: str


_ONNX = Source("edgernn_export.sources.onnx.read", "onnx", "export", "an ONNX model")
_KERAS = Source("edgernn_export.sources.keras.read", "h5py", "keras", "a Keras model")
_TFLITE = Source("edgernn_export.sources.tflite.read", "ai_edge_litert", "export", "a TFLite model")
_JSON = Source("edgernn_export.sources.json.read", "", "", "weights as JSON")

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        ".onnx": _ONNX,
        ".tflite": _TFLITE,
        ".keras": _KERAS,
        ".h5": _KERAS,
        ".hdf5": _KERAS,
        ".json": _JSON,
        ".nam": _JSON,
    }
)
"""Suffix -> the package that reads such files."""
