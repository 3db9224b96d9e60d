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
        window: the module with `read_window(path, options) -> Window`; "" where no file holds such a model.
        own: the module with `contents(data)`, for artifacts of edgernn; "" where it writes no such files.
    """

    module: str
    package: str
    extra: str
    content: str
    window: str = ""
    own: str = ""


_HERE = "edgernn_export.sources"
_ONNX = Source(f"{_HERE}.onnx.read", "onnx", "export", "an ONNX model", own=f"{_HERE}.onnx.own")
_TFLITE = Source(f"{_HERE}.tflite.read", "ai_edge_litert", "export", "a TFLite model", own=f"{_HERE}.tflite.own")
_KERAS = Source(f"{_HERE}.keras.read", "h5py", "keras", "a Keras model", f"{_HERE}.keras.window")
_JSON = Source(f"{_HERE}.json.read", "", "", "weights as JSON or text")

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        ".onnx": _ONNX,
        ".tflite": _TFLITE,
        ".keras": _KERAS,
        ".h5": _KERAS,
        ".hdf5": _KERAS,
        ".json": _JSON,
        ".nam": _JSON,
        ".aidax": _JSON,
        ".rnnn": _JSON,
    }
)
"""Suffix -> the package that reads such files."""
