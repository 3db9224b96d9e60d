"""The proof of a library with a step for each of several levels of processors."""

from edgernn.device import isa
from edgernn.model.graph import Graph
from edgernn.runtime.backend import LevelEngine
from edgernn.runtime.program import Program
from edgernn_export.proof.floats import prove


def prove_each_level(graph: Graph, program: Program) -> None:
    """Prove a program as `prove` does, on each of its levels that this machine has.

    Raises:
        ParityError: the program and the graph differ, or a level fails the library's own test.
    """
    engine = program.engine
    if not isinstance(engine, LevelEngine):
        prove(graph, program)
        return
    for level in engine.levels:
        if not isa.missing(level):
            engine.choose(level)
            prove(graph, program)
