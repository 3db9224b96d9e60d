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
from edgernn.interpreters.rows import integer_row_stepper, row_stepper
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
        return NumpyMany(self.graph, self.manifest, capacity, static=self._static)

    @property
    def _static(self) -> bool:
        return any(layer.scheme for layer in self.graph.layers)

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
        if self._static:
            return record(graph.trace, IntegerCalls(integer_plan(graph)), x, y, states)
        return record(graph.trace, SameCalls() if DYNAMIC in graph.precision else FloatCalls("float32"), x, y, states)


class NumpyBound:
    """One carried state of a recorded step: integers wherever the manifest has quantization parameters."""

    guards = False
    run = None
    float_step = None

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
    """Carried states, each in an array (capacity, width); a step takes rows of them and puts new ones back."""

    guards = False
    float_step = None

    def __init__(self, graph: Graph, manifest: Manifest, capacity: int, *, static: bool) -> None:
        if static:
            self._step = integer_row_stepper(graph).step_integers
        else:
            self._step = row_stepper(graph).step
        self._static = static
        self._states = {
            name: np.zeros((capacity, width), manifest.dtype(name)) for name, width in manifest.states.items()
        }

    def step(self, xs: Array, slots: Array, ys: Array) -> int:
        before = {name: states[slots] for name, states in self._states.items()}
        if self._static:
            xs, before = _widened(xs), {name: _widened(states) for name, states in before.items()}
        ys[...], after = self._step(xs, before)
        for name, states in self._states.items():
            states[slots] = after[name]
        return -1

    def get_states(self, slot: int) -> tuple[Array, ...]:
        return tuple(states[slot] for states in self._states.values())

    def set_states(self, slot: int, states: tuple[Array, ...]) -> None:
        for carried, state in zip(self._states.values(), states, strict=True):
            carried[slot] = state


def _widened(x: Array) -> Array:
    """A copy; of integers in int64, the type in which the definition computes."""
    return x.astype(np.int64 if x.dtype.kind == "i" else x.dtype)


def load(data: bytes, name: str, threads: int) -> NumpyEngine:  # noqa: ARG001  numpy decides its own threads
    """The graph in a `.rnn` file."""
    return NumpyEngine(loads(data, name).astype(np.float32))
