"""edgernn: compact recurrent networks, from PyTorch to a streaming step on small devices."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgernn.artifact.rnn import load as load, save as save
    from edgernn.budget.monitor import Monitor as Monitor
    from edgernn.budget.verdict import Budget as Budget
    from edgernn.errors import EdgernnError as EdgernnError
    from edgernn.model.graph import Graph as Graph, Layer as Layer
    from edgernn.model.tensor import Tensor as Tensor
    from edgernn.model.window import Stage as Stage, Window as Window
    from edgernn.runtime.program import Program as Program, open as open  # noqa: A004  edgernn.open is the verb
    from edgernn.runtime.stream import Stream as Stream

    __version__: str

# Name -> (module, name there), read when it is first asked for: so `import edgernn` costs nothing.
_PUBLIC = {
    "Budget": ("edgernn.budget.verdict", "Budget"),
    "EdgernnError": ("edgernn.errors", "EdgernnError"),
    "Graph": ("edgernn.model.graph", "Graph"),
    "Layer": ("edgernn.model.graph", "Layer"),
    "Program": ("edgernn.runtime.program", "Program"),
    "Stage": ("edgernn.model.window", "Stage"),
    "Stream": ("edgernn.runtime.stream", "Stream"),
    "Tensor": ("edgernn.model.tensor", "Tensor"),
    "Monitor": ("edgernn.budget.monitor", "Monitor"),
    "Window": ("edgernn.model.window", "Window"),
    "__version__": ("edgernn.version", "VERSION"),
    "load": ("edgernn.artifact.rnn", "load"),
    "open": ("edgernn.runtime.program", "open"),
    "save": ("edgernn.artifact.rnn", "save"),
}

__all__ = [  # noqa: PLE0604  the door's table is the list
    *_PUBLIC
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgernn' has no attribute '{name}'; there are {', '.join(sorted(_PUBLIC))}")
    module, there = _PUBLIC[name]
    found = getattr(import_module(module), there)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
