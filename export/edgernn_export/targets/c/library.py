"""The shared library: the C step, compiled for the processor of this machine."""

from collections.abc import Mapping
from dataclasses import replace

from edgernn import cpu
from edgernn.contract import write as describe
from edgernn.errors import UnsupportedError
from edgernn.graph import Graph
from edgernn.seal import seal
from edgernn.tensor import SCHEMES
from edgernn_export.compiler import shared_library
from edgernn_export.targets.c.target import write
from edgernn_export.targets.plan import plan

PREFIX = "edgernn"  # of the functions in every library, so that a loader knows them


def render(graph: Graph, _stem: str) -> Mapping[str, bytes]:
    """The sealed bytes of a `.so` file for this machine; the same for the same graph and compiler."""
    level = cpu.best()
    if level is None:
        machine, _ = cpu.here()
        raise UnsupportedError(f"there is no level for a machine of kind {machine}; export the .c file and compile it")
    planned = plan(graph, SCHEMES)
    about = describe(replace(planned.said, cpu=level))
    _, code = write(planned, PREFIX, about, include="")
    return {".so": seal(shared_library(code, cpu.LEVELS[level].options))}
