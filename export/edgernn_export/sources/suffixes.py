"""The files of other tools that are read: their suffixes, and the package that reads each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Source:
    """A package that reads files.

    Its module `read` has `read(path, options) -> ForeignModel`; `check` has `check(path)`, which refuses damaged files
    before torch is imported.

    Attributes:
        package: in edgernn_export.sources.
        library: that it needs besides torch; "" for none.
        extra: of edgernn that installs the library.
        content: what the files hold, for help and messages.
        artifacts: whether edgernn writes such files; then `own` has `contents(data)`.
        windows: whether some hold models of whole windows; then `window` has `read_window(path, options) -> Window`.
    """

    package: str
    library: str
    extra: str
    content: str
    artifacts: bool = False
    windows: bool = False

    def module(self, name: str) -> str:
        """Return the full name of one of its modules."""
        return f"edgernn_export.sources.{self.package}.{name}"


_ONNX = Source("onnx", "onnx", "export", "an ONNX model", artifacts=True)
_TFLITE = Source("tflite", "ai_edge_litert", "export", "a TFLite model", artifacts=True)
_KERAS = Source("keras", "h5py", "keras", "a Keras model", windows=True)
_JSON = Source("json", "", "", "weights as JSON or text")

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
