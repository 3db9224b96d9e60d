"""A graph read with sizes for its inputs: as a sequence, or as one frame of it where a loop runs over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor

from edgernn.array import Array
from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.foreign.nodes import ADOPT, dependences
from edgernn_export.sources.onnx.constants import info_dtype
from edgernn_export.sources.onnx.control import CONTROLS
from edgernn_export.sources.onnx.limits import ROOM
from edgernn_export.sources.onnx.loading import opset_of
from edgernn_export.sources.onnx.reading import Flow, Reader, Scope, read_graph
from edgernn_export.sources.onnx.sizes import Shape, Sizes, tried


@dataclass(frozen=True)
class Source:
    """A graph with the shapes of its inputs and the values of those that are constants."""

    name: str
    model: onnx.ModelProto
    shapes: Mapping[str, Shape]
    constants: Mapping[str, Array]
    initial: Mapping[str, Array]  # the values that inputs have by default
    states: frozenset[str]  # inputs that are states by what the user says, or by their names
    size: int  # of the file, in bytes

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """The inputs that are no constants."""
        return [each for each in self.model.graph.input if each.name in self.shapes]


@dataclass(frozen=True)
class Form:
    """A graph that is read with sizes.

    Attributes:
        source: the graph.
        reader: what is read.
        sizes: of the inputs.
        inputs: the values of the inputs.
        outputs: those of the outputs that depend on data.
        one_frame: whether the example is one frame of a sequence, and loops over time carry states.
    """

    source: Source
    reader: Reader
    sizes: Sizes
    inputs: Mapping[str, Flow]
    outputs: Mapping[str, Flow]
    one_frame: bool = False

    @property
    def single(self) -> bool:
        """Whether the example is one frame and its states: no size is time, and what is passed states runs one step."""
        return self.one_frame or not (self.sizes.time or self.reader.chunks)

    @property
    def depends(self) -> dict[str, frozenset[str]]:
        """Output -> the inputs that it depends on."""
        return dependences(self.reader.steps, _slots(self.inputs), _slots(self.outputs))


def _slots(flows: Mapping[str, Flow]) -> dict[str, int]:
    return {name: flow.slot for name, flow in flows.items()}


def form_of(source: Source) -> Form:
    """Read a graph with the first sizes that fit.

    Raises:
        FileError: the graph is damaged.
        UnsupportedError: no sizes fit, or an operator is not supported.
    """
    first: UnsupportedError | None = None
    for sizes in tried(source.shapes, source.states):
        try:
            form = _read(source, sizes)
        except UnsupportedError as error:
            first = first or error
            continue
        if _fits(form):
            return _framed(source, form)
    raise first or UnsupportedError(
        f"no sizes fit the inputs of '{source.name}'; say the shape of each input: shapes= (--shape)"
    )


def _fits(form: Form) -> bool:
    """Whether recurrent nodes run over the open size that is taken for time, and states keep their shapes."""
    lengths = form.reader.lengths.values()
    if form.sizes.time and lengths and max(lengths) == 1:
        return False
    shapes = {tuple(flow.example.shape) for flow in form.outputs.values()}
    return all(tuple(form.inputs[name].example.shape) in shapes for name in form.source.states)


def _framed(source: Source, form: Form) -> Form:
    """Return one frame of a sequence where a loop runs over time; else the sequence."""
    if not form.sizes.time or not form.reader.looped:
        return form
    steps = next(form.sizes.values[name] for name in form.sizes.time)
    other = _read(source, form.sizes.stretched(steps + 1))
    lengths = form.reader.lengths
    over_time = frozenset(name for name, length in other.reader.lengths.items() if length != lengths.get(name))
    if not over_time & form.reader.looped:
        return form
    return _read(source, form.sizes.stretched(1), over_time)


def _read(source: Source, sizes: Sizes, carrying: frozenset[str] = frozenset()) -> Form:
    reader = Reader(source.name, opset_of(source.model), ROOM + 2 * source.size, carrying)
    inputs = {each.name: reader.flow(_example(source, sizes, each)) for each in source.inputs}
    scope: Scope = {**source.constants, **inputs}
    read_graph(reader, source.model.graph, scope, CONTROLS)
    outputs = {}
    for each in source.model.graph.output:
        if each.name not in scope:
            raise FileError(f"nothing computes output '{each.name}' of '{source.name}'; export the model again")
        value = scope[each.name]
        if isinstance(value, Flow):
            outputs[each.name] = value
    if not outputs:
        raise UnsupportedError(f"no output of '{source.name}' depends on an input; expected a model of frames")
    return Form(source, reader, sizes, inputs, outputs, bool(carrying))


def _example(source: Source, sizes: Sizes, value: onnx.ValueInfoProto) -> Tensor:
    """Return random numbers for an input; zeros where it is of whole numbers."""
    shape, dtype = sizes.of(source.shapes[value.name]), info_dtype(value)
    if dtype.itemsize == 2 and dtype.kind not in "iub":
        raise UnsupportedError(
            f"input '{value.name}' of '{source.name}' is of {dtype}, and a step computes in float32; export the model "
            f"in float32, {ADOPT}"
        )
    if value.name in source.initial:
        return torch.from_numpy(np.array(source.initial[value.name], np.float32))
    if dtype.kind == "f":
        return torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    if dtype.kind not in "iub":
        raise UnsupportedError(f"input '{value.name}' of '{source.name}' is of {dtype}; expected numbers")
    return torch.zeros(shape, dtype=torch.bool if dtype.kind == "b" else torch.int64)
