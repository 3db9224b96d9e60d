"""edgernn_export: a PyTorch module to a Graph, and a Graph to the file that a device runs.

from_torch converts a module and compares both in float64; from_file converts the model file of another tool, and
window_from_file one that takes whole windows. export writes .onnx, .tflite, .so, .c, .wasm or a .edge package, and
replays each file on its runtime before it is kept; export_project writes a folder, such as a library for Arduino.
PackageOptions and Card are what a package holds beside the graph.
adopt puts a contract around an .onnx or .tflite file of another tool that stays as it is. load_weights reads a state
dict into a module.

These names are the public API; every module is internal and may change in any release.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgernn.package.manifest import Card
    from edgernn_export.adoption.adopt import adopt
    from edgernn_export.packaging.options import PackageOptions
    from edgernn_export.projects.write import export_project
    from edgernn_export.translate import export, from_file, from_torch
    from edgernn_export.weights import load_weights
    from edgernn_export.windows import window_from_file

__all__ = [
    "Card",
    "PackageOptions",
    "adopt",
    "export",
    "export_project",
    "from_file",
    "from_torch",
    "load_weights",
    "window_from_file",
]

_HOMES = {
    "Card": "edgernn.package.manifest",
    "PackageOptions": "edgernn_export.packaging.options",
    "adopt": "edgernn_export.adoption.adopt",
    "export_project": "edgernn_export.projects.write",
    "load_weights": "edgernn_export.weights",
    "window_from_file": "edgernn_export.windows",
}

if not TYPE_CHECKING:  # a type checker that saw this would accept every name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module 'edgernn_export' has no attribute '{name}'; there are {', '.join(__all__)}")
        home = _HOMES.get(name, "edgernn_export.translate")
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    # As in edgernn: help() gets the docstring above, and the names stay for completion in a shell.
    return [] if sys._getframe(1).f_globals["__name__"] == "inspect" else sorted(__all__)  # noqa: SLF001
