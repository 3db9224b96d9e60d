"""edgernn: compact recurrent networks, from PyTorch to a streaming step on small devices."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgernn.budget import Budget as Budget
    from edgernn.errors import EdgernnError as EdgernnError
    from edgernn.file import load as load, save as save
    from edgernn.graph import Graph as Graph, Layer as Layer
    from edgernn.runtime import Program as Program, open as open  # noqa: A004  edgernn.open is the verb
    from edgernn.stream import Stream as Stream
    from edgernn.tensor import Tensor as Tensor
    from edgernn.watch import Watch as Watch
    from edgernn.window import Stage as Stage, Window as Window

    __version__: str

# Name -> (module, name there), read when it is first asked for: so `import edgernn` costs nothing.
_DOOR = {
    "Budget": ("edgernn.budget", "Budget"),
    "EdgernnError": ("edgernn.errors", "EdgernnError"),
    "Graph": ("edgernn.graph", "Graph"),
    "Layer": ("edgernn.graph", "Layer"),
    "Program": ("edgernn.runtime", "Program"),
    "Stage": ("edgernn.window", "Stage"),
    "Stream": ("edgernn.stream", "Stream"),
    "Tensor": ("edgernn.tensor", "Tensor"),
    "Watch": ("edgernn.watch", "Watch"),
    "Window": ("edgernn.window", "Window"),
    "__version__": ("edgernn.version", "VERSION"),
    "load": ("edgernn.file", "load"),
    "open": ("edgernn.runtime", "open"),
    "save": ("edgernn.file", "save"),
}

__all__ = [  # noqa: PLE0604  the door's table is the list
    *_DOOR
]


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module 'edgernn' has no attribute '{name}'; there are {', '.join(sorted(_DOOR))}")
    module, there = _DOOR[name]
    found = getattr(import_module(module), there)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(_DOOR)
