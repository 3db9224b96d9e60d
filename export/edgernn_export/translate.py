"""The two doors: `from_torch`, a model to a graph; `export`, a graph to a file."""

import os
from importlib import import_module
from pathlib import Path

from edgernn import disk
from edgernn.errors import UsageError
from edgernn.graph import Graph
from edgernn.runtime import BACKENDS, load

from edgernn_export.prove import prove
from edgernn_export.targets import TARGETS


def export(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write a graph as an artifact of one step, proved on its runtime against numpy before it is kept.

    Args:
        graph: what to write; it is written in float32.
        path: the suffix picks the target: `.onnx` or `.tflite`.

    Raises:
        UsageError: no target writes this suffix.
        MissingExtraError: the target or its runtime is not installed.
        ParityError: the artifact computes something else than the graph; nothing is written.
        FileError: the path cannot be written.
    """
    name = os.fspath(path)
    disk.write(path, render(graph, name))


def render(graph: Graph, name: str) -> bytes:
    """The bytes of the artifact that `export` would write to a file of this name, proved."""
    target = target_of(name)
    suffix = Path(name).suffix
    data: bytes = import_module(target).render(graph)
    prove(graph, load(data, name, BACKENDS[suffix]))
    return data


def target_of(name: str) -> str:
    """The module that renders files of this suffix.

    Raises:
        UsageError: there is none.
    """
    suffix = Path(name).suffix
    if suffix not in TARGETS:
        raise UsageError(f"no target writes '{name}'; there are {', '.join(sorted(TARGETS))}")
    return TARGETS[suffix]
