"""edgernn_export: a PyTorch module to a Graph, and a Graph to the file that a device runs.

from_torch converts a module and compares both in float64; from_file converts the model file of another tool. export
writes .onnx, .tflite, .so or .c and replays the file on its runtime before it is kept. load_weights reads a state dict
into a module.

These names are the public API; every module is internal and may change in any release.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgernn_export.translate import export, from_file, from_torch, load_weights

__all__ = ["export", "from_file", "from_torch", "load_weights"]

if not TYPE_CHECKING:  # a type checker that saw this would accept every name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'edgernn_export' has no attribute '{name}'; there are {', '.join(__all__)}")
        return getattr(import_module("edgernn_export.translate"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
