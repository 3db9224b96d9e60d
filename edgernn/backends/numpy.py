"""The definition as a backend: a `.rnn` file stepped by numpy, in float32 or integers, with nothing else installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.contract import Contract, contract
from edgernn.file import loads
from edgernn.graph import Graph
from edgernn.readings.fixed import stepper

Array = NDArray[Any]


class NumpyEngine:
    """A graph and its contract."""

    def __init__(self, graph: Graph) -> None:
        self.backend = f"numpy {np.__version__}"
        self.contract: Contract = contract(graph)
        self.graph = graph

    def bind(self) -> "NumpyBound":
        """A new carried state."""
        return NumpyBound(self.graph)


class NumpyBound:
    """One carried state as a dictionary of arrays."""

    guards = False

    def __init__(self, graph: Graph) -> None:
        self._stepper = stepper(graph)
        self._states = self._stepper.rest()
        self.x: Array = np.zeros(graph.inputs, np.int32 if graph.rows else np.float32)
        self.y: Array = np.zeros(graph.outputs, np.float32)

    def step(self) -> None:
        self.y[:], self._states = self._stepper.step(self.x.copy(), self._states)

    def read(self) -> tuple[Array, ...]:
        return tuple(self._states.values())

    def write(self, states: tuple[Array, ...]) -> None:
        self._states = {name: array.copy() for name, array in zip(self._states, states, strict=True)}


def load(data: bytes, name: str, threads: int) -> NumpyEngine:  # noqa: ARG001  numpy decides its own threads
    """The graph in a `.rnn` file."""
    return NumpyEngine(loads(data, name).astype(np.float32))
