"""How many bytes a model takes where it is deployed: its files, feature cells included."""

from collections.abc import Iterable
from importlib import import_module

from edgernn.device.runtimes import RUNTIMES
from edgernn.errors import CompilerError, MissingExtraError, UnsupportedError
from edgernn.model.graph import Graph
from edgernn_export.targets import TARGETS
from edgernn_export.targets.c.footprint import step_sizes
from edgernn_export.targets.destination import Destination

SUFFIXES = (".c", ".so", ".tflite", ".onnx")
"""The formats, in the order in which they are printed."""

MEANING = {".c": "constants and manifest in C, without code", ".so": "compiled, with its code"}


def deployed(graph: Graph, suffixes: Iterable[str] = SUFFIXES) -> dict[str, int | None]:
    """Return the bytes of a graph in each format; None where it cannot be written here.

    A `.so` is compiled for this machine. Of `.c` they are its arrays, exactly, as they lie in flash: the code comes on
    top, and depends on the compiler.
    """
    return {suffix: _bytes(graph, suffix) for suffix in suffixes}


def _bytes(graph: Graph, suffix: str) -> int | None:
    try:
        if suffix == ".c":
            sizes = step_sizes(graph)
            return sum(sizes.constants.values()) + sizes.initial_state + sizes.manifest
        runtime = next(each for each in RUNTIMES.values() if each.suffix == suffix)
        files = import_module(TARGETS[suffix].module).render(graph, "model", Destination(runtime))
        return len(files[f"model{suffix}"])
    except (UnsupportedError, MissingExtraError, CompilerError):
        return None
