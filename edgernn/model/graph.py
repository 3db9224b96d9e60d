"""The graph of a model: named layers that read one another, valid by construction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from numpy.typing import DTypeLike

from edgernn.errors import GraphError
from edgernn.model.cell import dimensions, is_join, tensors, with_tensors
from edgernn.model.layer import Layer, check_layer
from edgernn.model.layer_trace import LayerTrace, check_widths, trace_layer
from edgernn.model.operation import WIDEST, Ref
from edgernn.model.parts import checked
from edgernn.model.range import Range
from edgernn.model.tensor import Tensor
from edgernn.model.timing import check_timing
from edgernn.model.trace import Trace, simplified

INPUT = "x"
OUTPUT = "y"
PRECISIONS = {"float32": "fp32", "float64": "fp64"}

MOST_LAYERS = 4096
MOST_VALUES = 1 << 24  # elements of all values of a step, in all layers together

INITIAL_STATE = "initial_state"
"""The last part of the name that an initial state has in `Graph.tensors` and in a file: `gru.h.initial_state`."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Graph:
    """Layers in the order in which they run. The output of the last layer is the output of the model.

    A cell that `delays` may read a later layer, or itself: it answers with what that layer computed in the step before.

    Attributes:
        layers: each reads the layer before it, or the layers in its `inputs`; a state is called `<layer>.<state>`.
        inputs: the width of what a step takes; 1 before an embedding.
        initial_state: initial states by name, each of shape (width,); zeros for every other state.
        period_ms: the time between two steps in milliseconds; None when it is unknown.
        labels: a name for each output, or empty.
        ranges: the range of each value, by its name in the trace; needed by the static schemes.
        frames_per_step: how many frames a step takes, oldest first; `inputs` is the width of all of them.
        delay_frames: by how many frames the outputs are late, after layers that read frames of the future.
        warmup_frames: how many frames pass before the first output that counts; at least the delay.
        named_inputs: the width of each input by name, where a frame is several side by side; empty for one.
        named_outputs: the same of the output.

    Raises:
        GraphError: a duplicate or unknown name, widths that do not fit, a circle of layers without a delay, or an
            embedding that does not read x.
    """

    layers: tuple[Layer, ...]
    inputs: int
    initial_state: Mapping[str, Tensor] = field(default_factory=dict)
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    named_inputs: Mapping[str, int] = field(default_factory=dict)
    named_outputs: Mapping[str, int] = field(default_factory=dict)
    frames_per_step: int = 1
    delay_frames: int = 0
    warmup_frames: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "layers", self._linked(tuple(self.layers)))
        object.__setattr__(self, "inputs", int(self.inputs))
        object.__setattr__(self, "initial_state", MappingProxyType(dict(sorted(self.initial_state.items()))))
        object.__setattr__(self, "period_ms", None if self.period_ms is None else float(self.period_ms))
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "ranges", MappingProxyType(dict(sorted(self.ranges.items()))))
        if not 1 <= len(self.layers) <= MOST_LAYERS or not 1 <= self.inputs <= WIDEST:
            raise GraphError(
                f"a graph of {len(self.layers)} layers and {self.inputs} inputs arrived; expected at least one of each "
                f"and at most {MOST_LAYERS:,} and {WIDEST:,}"
            )
        self.vocabulary_size  # noqa: B018  checks the readers of the input
        for name, tensor in self.initial_state.items():
            if self.states.get(name) is None or tensor.shape != (self.states[name],):
                raise GraphError(f"initial state '{name}' has shape {tensor.shape}; there are {self.states}")
        for name in self.ranges:
            if name not in self.values:
                raise GraphError(
                    f"there is no value '{name}' that could have a range; there are {', '.join(self.values)}"
                )
        if self.labels and len(self.labels) != self.outputs:
            raise GraphError(f"{len(self.labels)} labels for {self.outputs} outputs")
        object.__setattr__(self, "named_inputs", checked("inputs", self.named_inputs, self.inputs))
        object.__setattr__(self, "named_outputs", checked("outputs", self.named_outputs, self.outputs))
        if self.period_ms is not None and not 0 < self.period_ms < inf:
            raise GraphError(f"a period of {self.period_ms} ms arrived; expected a finite number above 0")
        check_timing(self.frames_per_step, self.delay_frames, self.warmup_frames, self.inputs)

    @cached_property
    def layer_traces(self) -> Mapping[str, LayerTrace]:
        """The operations of each layer, by the layer's name."""
        widths, traces, elements = {INPUT: self.inputs}, {}, 0
        for layer in self.layers:
            check_widths(layer, widths)
            later = dimensions(layer.cell)["inputs"] * layer.positions * layer.frames if layer.cell.delays else 0
            inputs = [Ref(name, widths.get(name, later)) for name in layer.inputs]
            traced = trace_layer(layer, inputs)
            traces[layer.name], widths[layer.name] = traced, traced.y.width
            elements += sum(op.size for op in traced.operations)
            if elements > MOST_VALUES:
                raise GraphError(
                    f"up to layer '{layer.name}' a step computes {elements:,} values; expected {MOST_VALUES:,} at most"
                )
        for layer in self.layers:
            check_widths(layer, widths)
        return MappingProxyType(traces)

    @cached_property
    def trace(self) -> Trace:
        """The operations of one step."""
        return simplified(self.layer_traces, Ref(INPUT, self.inputs))

    @cached_property
    def states(self) -> Mapping[str, int]:
        """The width of each state, by the name `<layer>.<state>`, in the order of the layers."""
        befores = {name: traced.before for name, traced in self.layer_traces.items()}
        return {f"{layer}.{name}": ref.size for layer, before in befores.items() for name, ref in before.items()}

    @cached_property
    def values(self) -> Mapping[str, int]:
        """The elements of each value by name: the input, the states before the step, and the outputs of operations."""
        refs = [
            ref
            for traced in self.layer_traces.values()
            for ref in (*traced.before.values(), *(output for op in traced.operations for output in op.outputs))
        ]
        return {INPUT: self.inputs, **{ref.name: ref.size for ref in refs}}

    @property
    def outputs(self) -> int:
        """The width of the model's output."""
        return self.layer_traces[self.layers[-1].name].y.width

    @cached_property
    def vocabulary_size(self) -> int:
        """The number of symbols that the input may be; 0 when a frame is numbers and not a symbol."""
        operations = [op for traced in self.layer_traces.values() for op in traced.operations]
        tables = [op for op in operations if op.name == "lookup"]
        readers = [op for op in operations if INPUT in {ref.name for ref in op.inputs}]
        if tables and tables != readers:
            raise GraphError(
                f"layer '{tables[0].layer}' looks up a symbol; it must read the graph's input 'x', and then only "
                "tables may read 'x'"
            )
        if tables and self.frames_per_step > 1:
            raise GraphError(f"layer '{tables[0].layer}' looks up a symbol; expected one frame in a step")
        return min((op.args[0].shape[0] for op in tables), default=0)

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every weight and initial state by its name in a file: `gru.w`, `gru.u.left`, `gru.h.initial_state`."""
        weights = {
            f"{layer.name}.{name}": tensor for layer in self.layers for name, tensor in tensors(layer.cell).items()
        }
        return weights | {f"{name}.{INITIAL_STATE}": tensor for name, tensor in self.initial_state.items()}

    @property
    def precision(self) -> str:
        """The schemes of the weights and layers, joined by "+"; "fp32" or "fp64" for a float graph."""
        used = {*(tensor.scheme for tensor in self.tensors.values()), *(layer.scheme for layer in self.layers)}
        schemes = sorted(used - {""})
        if schemes:
            return "+".join(schemes)
        dtypes = sorted({tensor.stored.dtype.name for tensor in self.tensors.values()}) or ["float32"]
        if len(dtypes) > 1:
            raise GraphError(
                f"weights of dtypes {', '.join(dtypes)} arrived; expected one: use graph.astype('float32')"
            )
        return PRECISIONS[dtypes[0]]

    def astype(self, dtype: DTypeLike) -> "Graph":
        """Return the graph with every float weight in `dtype`; the graph itself when nothing changes."""
        cast = {name: tensor.astype(dtype) for name, tensor in self.tensors.items()}
        return self if all(cast[name] is tensor for name, tensor in self.tensors.items()) else self.with_tensors(cast)

    def with_tensors(self, others: Mapping[str, Tensor]) -> "Graph":
        """Return the graph with some weights and initial states replaced, by their names in `tensors`."""

        def changed(layer: Layer) -> Layer:
            weights = {name: others.get(f"{layer.name}.{name}", tensor) for name, tensor in tensors(layer.cell).items()}
            return replace(layer, cell=with_tensors(layer.cell, weights))

        initial_state = {
            name: others.get(f"{name}.{INITIAL_STATE}", tensor) for name, tensor in self.initial_state.items()
        }
        return replace(self, layers=tuple(map(changed, self.layers)), initial_state=initial_state)

    def _check_types(self) -> None:
        """Check the declared types at run time, for users without a type checker."""
        graph: Any = self
        for layer in graph.layers:
            check_layer(layer)
        if not isinstance(graph.inputs, Integral) or not all(isinstance(label, str) for label in graph.labels):
            raise GraphError(
                f"inputs={graph.inputs!r} and labels={graph.labels!r} arrived; expected a number and strings"
            )
        if not isinstance(graph.period_ms, Real | None):
            raise GraphError(f"period_ms={graph.period_ms!r} arrived; expected a number of milliseconds")
        if not all(isinstance(tensor, Tensor) for tensor in graph.initial_state.values()):
            raise GraphError("an initial state is not a Tensor; wrap the array as Tensor(array)")
        if not all(isinstance(each, Range) for each in graph.ranges.values()):
            raise GraphError("a range is not a Range; write Range(low, high)")

    def _linked(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """Return the layers with their `inputs` filled in."""
        seen, linked = {INPUT: None}, []  # a dictionary, for fast look-ups in order
        every = {INPUT, *(layer.name for layer in layers)}
        for layer in layers:
            if not _NAME.fullmatch(layer.name) or layer.name == OUTPUT:
                raise GraphError(
                    f"a layer cannot be called '{layer.name}'; use letters, digits and _, but not 'x' or 'y'"
                )
            if layer.name in seen:
                raise GraphError(f"two layers are called '{layer.name}'; names must differ")
            inputs = tuple(layer.inputs) or (next(reversed(seen)),)
            for name in inputs:
                if name not in (every if layer.cell.delays else seen):
                    raise GraphError(
                        f"layer '{layer.name}' reads '{name}', which is not an earlier layer; "
                        f"there are {', '.join(seen)}"
                        + (", and only a Delay reads a later one" if name in every else "")
                    )
            if is_join(layer.cell) != (len(inputs) > 1):
                raise GraphError(
                    f"layer '{layer.name}' is a {type(layer.cell).__name__} and reads {len(inputs)} values; a join "
                    "reads at least two and any other cell exactly one"
                )
            linked.append(replace(layer, inputs=inputs))
            seen[layer.name] = None
        return tuple(linked)
