"""edgernn_export: a PyTorch model to a graph, a graph to the file that a device runs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgernn_export.translate import export as export, from_torch as from_torch

__all__ = ["export", "from_torch"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'edgernn_export' has no attribute '{name}'; there are {', '.join(__all__)}")
    return getattr(import_module("edgernn_export.translate"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
