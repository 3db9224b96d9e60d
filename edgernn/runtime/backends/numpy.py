"""numpy as a backend: a `.rnn` file stepped by the definition, in float32 or integers, with nothing else installed."""

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest, graph_manifest
from edgernn.artifact.rnn import loads
from edgernn.interpreters.integer import IntegerStepper
from edgernn.interpreters.numpy import Stepper
from edgernn.interpreters.rows import integer_row_stepper, row_stepper
from edgernn.model.graph import INPUT, OUTPUT, Graph


class NumpyEngine:
    """A graph and its manifest."""

    def __init__(self, graph: Graph) -> None:
        self.backend = f"numpy {np.__version__}"
        self.manifest: Manifest = graph_manifest(graph)
        self.graph = graph

    def bind(self) -> "NumpyBound | IntegerBound":
        """A new carried state."""
        return IntegerBound(self.graph, self.manifest) if self._static else NumpyBound(self.graph)

    def bind_many(self, capacity: int) -> "NumpyMany":
        """New carried states, which are stepped together."""
        return NumpyMany(self.graph, self.manifest, capacity, static=self._static)

    @property
    def _static(self) -> bool:
        return any(layer.scheme for layer in self.graph.layers)


class NumpyBound:
    """One carried state as a dictionary of arrays."""

    guards = False
    run = None
    float_step = None

    def __init__(self, graph: Graph) -> None:
        self._stepper = Stepper(graph, "float32")
        self._states = self._stepper.initial_state()
        self.x: Array = np.zeros(graph.inputs, np.int32 if graph.vocabulary_size else np.float32)
        self.y: Array = np.zeros(graph.outputs, np.float32)

    def step(self) -> None:
        self.y[:], self._states = self._stepper.step(self.x.copy(), self._states)

    def prime(self) -> None:
        self._stepper.step(self.x.copy(), self._states)

    def get_states(self) -> tuple[Array, ...]:
        return tuple(self._states.values())

    def set_states(self, states: tuple[Array, ...]) -> None:
        self._states = {name: array.copy() for name, array in zip(self._states, states, strict=True)}


class IntegerBound:
    """One carried state of a static graph: integers wherever the manifest has quantization parameters."""

    guards = False
    run = None
    float_step = None

    def __init__(self, graph: Graph, manifest: Manifest) -> None:
        self._stepper, self._manifest = IntegerStepper(graph), manifest
        self._states: dict[str, Array] = {}
        self.x: Array = np.zeros(manifest.inputs, manifest.dtype(INPUT))
        self.y: Array = np.zeros(manifest.outputs, manifest.dtype(OUTPUT))
        self.set_states(tuple(np.zeros(width, manifest.dtype(name)) for name, width in manifest.states.items()))

    def step(self) -> None:
        self.y[:], self._states = self._stepper.step_integers(_widened(self.x), self._states)

    def prime(self) -> None:
        self._stepper.step_integers(_widened(self.x), self._states)

    def get_states(self) -> tuple[Array, ...]:
        return tuple(state.astype(self._manifest.dtype(name)) for name, state in self._states.items())

    def set_states(self, states: tuple[Array, ...]) -> None:
        self._states = {name: _widened(state) for name, state in zip(self._manifest.states, states, strict=True)}


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
