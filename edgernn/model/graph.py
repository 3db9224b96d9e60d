"""The model: named layers that read one another, valid by construction."""

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
from edgernn.model.cell import dimensions, tensors, with_tensors
from edgernn.model.range import Range
from edgernn.model.record import WIDEST, LayerTrace, Ref, record
from edgernn.model.tensor import STATIC, Tensor
from edgernn.model.trace import Trace, simplified

INPUT = "x"
OUTPUT = "y"
PRECISIONS = {"float32": "fp32", "float64": "fp64"}

MOST_LAYERS = 4096
MOST_VALUES = 1 << 24  # that a step makes, in all layers together

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Layer:
    """A cell with a name; `reads` names layers or "x", and empty means the layer before it."""

    name: str
    cell: Any
    inputs: tuple[str, ...] = ()
    scheme: str = ""  # one of edgernn.model.tensor.STATIC when its values are integers


@dataclass(frozen=True)
class Graph:
    """Layers in the order in which they run; the last one's output is the model's.

    Attributes:
        layers: each reads the one before it, or what it names; states are called `<layer>.<state>`.
        inputs: the width of a frame; 1 before an embedding.
        rest: initial states by name, each of shape (width,); zeros where none is given.
        period_ms: the time from one frame to the next, when it is known.
        labels: a name for each output, or nothing.
        ranges: what values reach, by their names in the trace; the static precisions take their scales from them.

    Raises:
        GraphError: a name used twice or unknown, widths that do not fit, an embedding that does not read x.
    """

    layers: tuple[Layer, ...]
    inputs: int
    initial_state: Mapping[str, Tensor] = field(default_factory=dict)
    period_ms: float | None = None
    labels: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_kinds()
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
        self.vocabulary_size  # noqa: B018  checks what reads the input
        for name, tensor in self.initial_state.items():
            if self.states.get(name) is None or tensor.shape != (self.states[name],):
                raise GraphError(f"rest state '{name}' has shape {tensor.shape}; there are {self.states}")
        for name in self.ranges:
            if name not in self.values:
                raise GraphError(
                    f"there is no value '{name}' that could have a range; there are {', '.join(self.values)}"
                )
        if self.labels and len(self.labels) != self.outputs:
            raise GraphError(f"{len(self.labels)} labels for {self.outputs} outputs")
        if self.period_ms is not None and not 0 < self.period_ms < inf:
            raise GraphError(f"a period of {self.period_ms} ms arrived; expected a finite number above 0")

    @cached_property
    def layer_traces(self) -> Mapping[str, LayerTrace]:
        """What each layer's `step` says, by the layer's name."""
        known, said, made = {INPUT: self.inputs}, {}, 0
        for layer in self.layers:
            wanted = None if hasattr(layer.cell, "join") else dimensions(layer.cell).get("inputs")
            for name in layer.inputs:
                if wanted is not None and known[name] != wanted:
                    raise GraphError(
                        f"layer '{layer.name}' reads {wanted} values, but {known[name]} arrive from '{name}'"
                    )
            said[layer.name] = record(layer.name, layer.cell, [Ref(name, known[name]) for name in layer.inputs])
            known[layer.name] = said[layer.name].y.width
            made += sum(width for op in said[layer.name].operations for width in op.widths)
            if made > MOST_VALUES:
                raise GraphError(f"up to layer '{layer.name}' a step makes {made:,} values; expected {MOST_VALUES:,}")
        return MappingProxyType(said)

    @cached_property
    def trace(self) -> Trace:
        """The operations of one step."""
        return simplified(self.layer_traces, Ref(INPUT, self.inputs))

    @cached_property
    def states(self) -> Mapping[str, int]:
        """The width of each carried state, by the name `<layer>.<state>`, in the order of the layers."""
        return {
            f"{layer.name}.{name}": width
            for layer in self.layers
            for name, width in getattr(layer.cell, "states", {}).items()
        }

    @cached_property
    def values(self) -> Mapping[str, int]:
        """The width of the input, of each state before the step and of all that is made in it, by their names."""
        refs = [
            ref
            for said in self.layer_traces.values()
            for ref in (*said.before.values(), *(made for op in said.operations for made in op.outputs))
        ]
        return {INPUT: self.inputs, **{ref.name: ref.width for ref in refs}}

    @property
    def outputs(self) -> int:
        """The width of the model's output."""
        return self.layer_traces[self.layers[-1].name].y.width

    @cached_property
    def vocabulary_size(self) -> int:
        """How many symbols the model's input may be; 0 when a frame is numbers and not a symbol."""
        operations = [op for said in self.layer_traces.values() for op in said.operations]
        tables = [op for op in operations if op.name == "lookup"]
        readers = [op for op in operations if INPUT in {ref.name for ref in op.inputs}]
        if tables and tables != readers:
            raise GraphError(
                f"layer '{tables[0].layer}' looks a symbol up; that must read the graph's input 'x', and then nothing "
                "but tables may read it"
            )
        return min((op.args[0].shape[0] for op in tables), default=0)

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Every weight and rest state by the name that it has in a file: `gru.w`, `gru.u.left`, `gru.h.rest`."""
        weights = {
            f"{layer.name}.{name}": tensor for layer in self.layers for name, tensor in tensors(layer.cell).items()
        }
        return weights | {f"{name}.rest": tensor for name, tensor in self.initial_state.items()}

    @property
    def precision(self) -> str:
        """The scheme of the weights and values: "fp32" ("fp64" before it is made so), or that they are quantized in."""
        said = (*(tensor.scheme for tensor in self.tensors.values()), *(layer.scheme for layer in self.layers))
        schemes = sorted(set(said) - {""})
        if schemes:
            return "+".join(schemes)
        kinds = sorted({tensor.stored.dtype.name for tensor in self.tensors.values()}) or ["float32"]
        if len(kinds) > 1:
            raise GraphError(f"weights of dtypes {', '.join(kinds)} arrived; expected one: use graph.astype('float32')")
        return PRECISIONS[kinds[0]]

    def astype(self, dtype: DTypeLike) -> "Graph":
        """The same graph with every weight in `dtype`; itself when nothing changes."""
        cast = {name: tensor.astype(dtype) for name, tensor in self.tensors.items()}
        return self if all(cast[name] is tensor for name, tensor in self.tensors.items()) else self.with_tensors(cast)

    def with_tensors(self, others: Mapping[str, Tensor]) -> "Graph":
        """The same graph with other weights and rest states, by their names in `tensors`; the rest as they are."""

        def changed(layer: Layer) -> Layer:
            known = {name: others.get(f"{layer.name}.{name}", tensor) for name, tensor in tensors(layer.cell).items()}
            return replace(layer, cell=with_tensors(layer.cell, known))

        initial_state = {name: others.get(f"{name}.rest", tensor) for name, tensor in self.initial_state.items()}
        return replace(self, layers=tuple(map(changed, self.layers)), initial_state=initial_state)

    def _check_kinds(self) -> None:
        """What the type hints say, said again at run time: not everybody runs a type checker."""
        given: Any = self
        for layer in given.layers:
            if not isinstance(layer, Layer) or isinstance(layer.cell, type) or not _is_cell(layer.cell):
                raise GraphError(
                    f"{layer!r} arrived among the layers; expected Layer(name, cell), the cell an instance"
                )
            if (
                any(not isinstance(name, str) for name in (layer.name, *layer.inputs))
                or type(layer.inputs) is not tuple
            ):
                raise GraphError(f"{layer!r} has a name that is no string, or reads one; expected reads=('name',)")
            if layer.scheme not in {"", *STATIC}:
                raise GraphError(
                    f"layer '{layer.name}' computes in '{layer.scheme}'; there are {', '.join(STATIC)}, or '' for float"
                )
        if not isinstance(given.inputs, Integral) or not all(isinstance(label, str) for label in given.labels):
            raise GraphError(
                f"inputs={given.inputs!r} and labels={given.labels!r} arrived; expected a number and strings"
            )
        if not isinstance(given.period_ms, Real | None):
            raise GraphError(f"period_ms={given.period_ms!r} arrived; expected a number of milliseconds")
        if not all(isinstance(tensor, Tensor) for tensor in given.initial_state.values()):
            raise GraphError("a rest state is no Tensor; wrap the array as Tensor(array)")
        if not all(isinstance(each, Range) for each in given.ranges.values()):
            raise GraphError("a range is no Range; write Range(low, high)")

    def _linked(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers with `reads` always filled in."""
        seen, linked = {INPUT: None}, []  # a dictionary, to ask it quickly and to keep the order
        for layer in layers:
            if not _NAME.fullmatch(layer.name) or layer.name == OUTPUT:
                raise GraphError(
                    f"a layer cannot be called '{layer.name}'; use letters, digits and _, but not 'x' or 'y'"
                )
            if layer.name in seen:
                raise GraphError(f"two layers are called '{layer.name}'; names must differ")
            inputs = tuple(layer.inputs) or (next(reversed(seen)),)
            for name in inputs:
                if name not in seen:
                    raise GraphError(
                        f"layer '{layer.name}' reads '{name}', which no earlier layer is called; "
                        f"there are {', '.join(seen)}"
                    )
            if hasattr(layer.cell, "join") != (len(inputs) > 1):
                raise GraphError(
                    f"layer '{layer.name}' is a {type(layer.cell).__name__} and reads {len(inputs)} values; a join "
                    "reads at least two and any other cell exactly one"
                )
            linked.append(replace(layer, inputs=inputs))
            seen[layer.name] = None
        return tuple(linked)


def _is_cell(cell: Any) -> bool:
    return hasattr(cell, "step") or hasattr(cell, "join")
