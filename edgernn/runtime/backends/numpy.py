"""numpy as a backend: a `.rnn` file stepped as the definition says, with nothing else installed.

The definition is recorded once, as calls of numpy on arrays that stay: see edgernn.interpreters.bound.
"""

from functools import cached_property

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest, graph_manifest
from edgernn.artifact.rnn import loads
from edgernn.integer.plan import integer_plan
from edgernn.interpreters.bound.operations import FloatCalls, IntegerCalls, SameCalls
from edgernn.interpreters.bound.step import BoundStep, Recording, record
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn.model.tensor import DYNAMIC
from edgernn.runtime.backend import restoring


class NumpyEngine:
    """A graph and its manifest."""

    def __init__(self, graph: Graph) -> None:
        self.backend = f"numpy {np.__version__}"
        self.manifest: Manifest = graph_manifest(graph)
        self.graph = graph

    def bind(self) -> "NumpyBound":
        """A new carried state."""
        return NumpyBound(self._recording, self.manifest)

    def bind_many(self, capacity: int) -> "NumpyMany":
        """New carried states, which are stepped together."""
        return NumpyMany(tuple(self.bind() for _ in range(capacity)))

    @cached_property
    def _recording(self) -> Recording:
        """The step, recorded when it is first needed."""
        manifest, graph = self.manifest, self.graph
        x, y = (
            np.zeros(width, manifest.dtype(name))
            for name, width in ((INPUT, manifest.inputs), (OUTPUT, manifest.outputs))
        )
        states = {
            name: np.zeros(width, np.int64 if name in manifest.quantization else np.float32)
            for name, width in manifest.states.items()
        }
        if any(layer.scheme for layer in graph.layers):
            return record(graph.trace, IntegerCalls(integer_plan(graph)), x, y, states)
        return record(graph.trace, SameCalls() if DYNAMIC in graph.precision else FloatCalls("float32"), x, y, states)


class NumpyBound:
    """One carried state of a recorded step: integers wherever the manifest has quantization parameters."""

    guards = False
    countdown = run = float_step = None

    def __init__(self, recording: Recording, manifest: Manifest) -> None:
        self._step, self._manifest = BoundStep(recording), manifest
        self.x, self.y, self.step = self._step.x, self._step.y, self._step.step
        self.prime = restoring(self._step.prime, self.y)

    def get_states(self) -> tuple[Array, ...]:
        named = zip(self._manifest.states, self._step.states, strict=True)
        return tuple(state.astype(self._manifest.dtype(name), copy=False) for name, state in named)

    def set_states(self, states: tuple[Array, ...]) -> None:
        self._step.set_states(states)


class NumpyMany:
    """Carried states, each of which steps by itself: numpy would sum a product of several rows in another order."""

    guards = False
    float_step = None

    def __init__(self, slots: tuple[NumpyBound, ...]) -> None:
        self._slots = slots

    def step(self, xs: Array, slots: Array, ys: Array) -> int:
        for slot, x, y in zip(slots.tolist(), xs, ys, strict=True):
            stream = self._slots[slot]
            stream.x[...] = x
            stream.step()
            y[...] = stream.y
        return -1

    def get_states(self, slot: int) -> tuple[Array, ...]:
        return self._slots[slot].get_states()

    def set_states(self, slot: int, states: tuple[Array, ...]) -> None:
        self._slots[slot].set_states(states)


def load(data: bytes, name: str, threads: int) -> NumpyEngine:  # noqa: ARG001  numpy decides its own threads
    """The graph in a `.rnn` file."""
    return NumpyEngine(loads(data, name).astype(np.float32))
