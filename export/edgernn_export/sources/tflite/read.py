"""Reading of `.tflite` files: a graph of operators becomes a torch module, with the states that it is fed or keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from edgernn.errors import UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt
from edgernn_export.sources.foreign.feedback import fed_back
from edgernn_export.sources.foreign.model import ForeignModel
from edgernn_export.sources.foreign.nodes import ADOPT, dependences, graph_module, identifier, needed
from edgernn_export.sources.foreign.options import ImportOptions, check_known
from edgernn_export.sources.tflite.loading import File, TensorInfo, parsed
from edgernn_export.sources.tflite.original import RUNTIME, Original, copy_of, integers_of
from edgernn_export.sources.tflite.reader import Carried, Flow, Reader, Value
from edgernn_export.sources.tflite.reading import read_graph

FRAMES = 16  # of a sequence whose length the file leaves open
KNOWN = ("states", "inputs", "outputs", "time_axis", "period_ms", "labels", "shapes", "constants")


@dataclass(frozen=True)
class _Part:
    """An argument or a result: its name in the module and in the file, its tensor in the original, and its value."""

    name: str
    own: str
    tensor: int
    flow: Flow


@dataclass(frozen=True)
class Flows:
    """What was read of a file: its inputs, its outputs that depend on them, and inputs of one value in every step."""

    reader: Reader
    ins: tuple[_Part, ...]
    outs: tuple[_Part, ...]
    fixed: Mapping[int, Tensor]


def read(path: str, options: ImportOptions) -> ForeignModel:
    """Read a TFLite model in float, or with weights in integers or float16, which are dequantized.

    States are inputs that outputs feed, variable tensors and resource variables. A model with states takes one frame.

    Args:
        path: the file.
        options: what the user says of it.

    Raises:
        FileError: the file is damaged, or LiteRT does not run it.
        UsageError: an option names what does not exist, or does not apply.
        UnsupportedError: an operator is not supported, or the model computes in integers.
    """
    name, data = Path(path).name, atomic.read(path)
    check_known(name, options, KNOWN)
    return _model(name, data, flows_of(parsed(name, data), options), options)


def flows_of(file: File, options: ImportOptions) -> Flows:
    """Read the operators of a file.

    Raises:
        UnsupportedError: an operator is not supported, or the model computes in integers.
    """
    graph, reader, name = file.subgraphs[0], Reader(file), file.name
    names = {index: _name(file, "inputs", index) for index in graph.inputs}
    shapes = {index: _shape(name, names[index], graph.tensors[index], options) for index in graph.inputs}
    fixed = _fixed(name, {names[index]: index for index in graph.inputs}, shapes, options)
    flows = {
        index: reader.flow(_example(name, graph.tensors[index], shape))
        for index, shape in shapes.items()
        if index not in fixed
    }
    values: dict[int, Value] = {**flows, **fixed}
    read_graph(reader, graph, values)
    outputs = {index: value for index in graph.outputs if isinstance(value := values.get(index), Flow)}
    if not outputs:
        raise UnsupportedError(f"'{name}' has no output that depends on its inputs; {ADOPT}")
    ins = _parts({names[index]: (index, flow) for index, flow in flows.items()})
    outs = _parts({_name(file, "outputs", index): (index, flow) for index, flow in outputs.items()})
    return Flows(reader, ins, outs, fixed)


def _fixed(
    file: str, names: Mapping[str, int], shapes: Mapping[int, tuple[int, ...]], options: ImportOptions
) -> dict[int, Tensor]:
    """Return the inputs that have the same value in every step, by their tensors."""
    for name in options.constants:
        if name not in names:
            raise UsageError(f"'{file}' has no input '{name}'; {misspelt(name, list(names))}")
    return {names[name]: torch.full(shapes[names[name]], float(value)) for name, value in options.constants.items()}


def _name(file: File, side: str, index: int) -> str:
    return file.names[side].get(index) or file.subgraphs[0].tensors[index].name


def _shape(file: str, name: str, tensor: TensorInfo, options: ImportOptions) -> tuple[int, ...]:
    """Return the shape of an input: an open batch is 1, and one other open axis is that of time."""
    if name in options.shapes:
        return tuple(options.shapes[name])
    open_axes = [axis for axis in tensor.open_axes if axis or len(tensor.shape) == 1]
    if len(open_axes) > 1:
        raise UnsupportedError(
            f"'{file}': input '{name}' {tensor.shape} leaves axes {open_axes} open; say its sizes: "
            f"shapes={{'{name}': (...)}}"
        )
    return tuple(FRAMES if axis in open_axes else size for axis, size in enumerate(tensor.shape))


def _example(file: str, tensor: TensorInfo, shape: tuple[int, ...]) -> Tensor:
    if tensor.dtype == "float32":
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if tensor.dtype in {"int32", "int64"} and not tensor.quantized:
        return torch.zeros(shape, dtype=getattr(torch, tensor.dtype))
    raise UnsupportedError(
        f"'{file}': input '{tensor.name}' is {tensor.dtype or 'of another type'}; the model computes in integers: "
        f"export it in float, {ADOPT}"
    )


def _parts(flows: Mapping[str, tuple[int, Flow]], others: tuple[_Part, ...] = ()) -> tuple[_Part, ...]:
    """Return parts with names of their own, unlike those of others."""
    parts: tuple[_Part, ...] = ()
    for own, (tensor, flow) in flows.items():
        parts += (_Part(identifier(own, [each.name for each in (*others, *parts)]), own, tensor, flow),)
    return parts


def _slots(parts: tuple[_Part, ...]) -> dict[str, int]:
    return {part.own: part.flow.slot for part in parts}


def _states(name: str, flows: Flows, options: ImportOptions) -> dict[str, str]:
    """Return each state among the inputs, and the output that it is in the next step."""
    ins, outs = flows.ins, flows.outs
    depends = dependences(flows.reader.steps, _slots(ins), _slots(outs))
    states = fed_back(_shapes(ins), _shapes(outs), depends, options.states, options.inputs)
    if states and len(states) == len(ins):
        raise UnsupportedError(f"'{name}': every input is a state; name the frames with inputs= (--inputs)")
    return states


def _model(name: str, data: bytes, flows: Flows, options: ImportOptions) -> ForeignModel:
    reader, ins, outs = flows.reader, flows.ins, flows.outs
    for chosen, known, what in ((options.inputs, ins, "input"), (options.outputs, outs, "output")):
        for each in chosen:
            if each not in {part.own for part in known}:
                raise UsageError(f"'{name}' has no {what} '{each}'; {misspelt(each, [part.own for part in known])}")
    states = _states(name, flows, options)
    frames = [part for part in ins if part.own not in states]
    results = [part for part in outs if part.own not in states.values()]
    chosen = options.outputs or tuple(part.own for part in results)
    kept = _kept(name, reader)
    before = _parts({each.name: (each.tensor or 0, each.before) for each in kept}, ins)
    after = _parts({f"{each.name}_after": (each.tensor or 0, each.after) for each in kept}, outs)
    arguments = [*frames, *(part for part in ins if part.own in states), *before]
    answers = [*(part for part in outs if part.own in {*chosen, *states.values()}), *after]
    own = {part.own: part.name for part in outs}
    fed = {part.name: own[states[part.own]] for part in ins if part.own in states}
    fed |= {one.name: other.name for one, other in zip(before, after, strict=True)}
    slots = {part.name: part.flow.slot for part in answers}
    module = graph_module(
        "TfliteGraph",
        [part.name for part in arguments], reader.modules, needed(reader.steps, slots.values()),
        [part.flow.slot for part in arguments], slots,
    )  # fmt: skip
    axis = options.time_axis if fed or options.time_axis is not None else _time_axis(reader, frames[0])
    return ForeignModel(
        name=name,
        module=module,
        example=tuple(_initial(reader, part, part.own in states) for part in arguments),
        inputs=tuple(part.name for part in frames),
        outputs=tuple(part.name for part in outs if part.own in chosen),
        states=fed,
        time_axis=axis,
        one_frame=axis is None and reader.length < 2,
        period_ms=options.period_ms,
        labels=options.labels,
        original=_original(name, data, flows, arguments, answers),
        runtime=RUNTIME if not integers_of(reader.file) else f"{RUNTIME} with its weights in float",
    )


def _time_axis(reader: Reader, frame: _Part) -> int | None:
    """Return the axis of time in a sequence: the open one, one that layers show (None), or that behind the batch."""
    tensor, shape = reader.file.subgraphs[0].tensors[frame.tensor], frame.flow.example.shape
    open_axes = [axis for axis in tensor.open_axes if axis]
    if open_axes or reader.length > 1:
        return open_axes[0] if len(open_axes) == 1 else None
    return 1 if len(shape) > 2 and shape[1] > 1 else None


def _shapes(parts: tuple[_Part, ...]) -> dict[str, tuple[int, ...]]:
    return {part.own: tuple(part.flow.example.shape) for part in parts}


def _kept(name: str, reader: Reader) -> list[Carried]:
    """Return the states that the file keeps itself."""
    kept = list(reader.carried)
    for own, resource in reader.resources.items():
        if resource.before is None:
            continue
        if not isinstance(resource.value, Flow) or resource.value is resource.before:
            raise UnsupportedError(f"'{name}': variable '{own}' is read and never changes with the input; {ADOPT}")
        kept.append(Carried(own, resource.before, resource.value, resource.read[0]))
    if kept and reader.length > 1:
        raise UnsupportedError(
            f"'{name}' keeps state '{kept[0].name}' beside an operator over {reader.length} steps; export it for one "
            f"frame, {ADOPT}"
        )
    return kept


def _initial(reader: Reader, part: _Part, state: bool) -> Tensor:
    """Return the example of a part: zeros of a state among the inputs; indices up to the end of their table."""
    example = part.flow.example
    if state:
        return torch.zeros_like(example)
    if example.is_floating_point():
        return example
    rows = reader.tables.get(part.flow.slot, 2)
    return (
        (torch.arange(example.numel()).flip(0) + rows - example.numel())
        .remainder(rows)
        .reshape(example.shape)
        .to(example.dtype)
    )


def _original(name: str, data: bytes, flows: Flows, arguments: list[_Part], answers: list[_Part]) -> Original:
    file, resources = flows.reader.file, [each for each in flows.reader.resources.values() if each.before is not None]
    shapes = {
        part.tensor: tuple(part.flow.example.shape) for part in arguments if part.tensor in file.subgraphs[0].inputs
    }
    ends = {each.read[0]: each.assigned for each in resources}
    results = [ends.get(part.tensor, part.tensor) for part in answers]
    fixed = {tensor: value.numpy() for tensor, value in flows.fixed.items()}
    return Original(name, copy_of(data, file, resources), shapes, [part.tensor for part in arguments], results, fixed)
