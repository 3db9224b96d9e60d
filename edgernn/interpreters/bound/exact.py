"""The definition in float64 as a bound step: the reference of a long run, several times as fast as a replay."""

import numpy as np

from edgernn.interpreters.bound.operations import FloatCalls
from edgernn.interpreters.bound.step import BoundStep, record
from edgernn.interpreters.numpy import Stepper
from edgernn.model.graph import Graph


def exact_step(graph: Graph) -> BoundStep:
    """Return a step of a graph in float64, in its initial state; `x` takes what an artifact does, also int32 symbols.

    Quantized matrices are those of the graph, and static schemes round no value: as Stepper(graph).
    """
    states = Stepper(graph).initial_state()
    x = np.zeros(graph.inputs, np.int32 if graph.vocabulary_size else np.float64)
    step = BoundStep(record(graph.trace, FloatCalls("float64"), x, np.zeros(graph.outputs), states))
    step.set_states(tuple(states.values()))
    return step
