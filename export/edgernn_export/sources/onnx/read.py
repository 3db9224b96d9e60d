"""Reading of `.onnx` files: a graph of nodes becomes a torch module, with the states that it is fed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn_export.sources.foreign.feedback import fed_back, named_alike
from edgernn_export.sources.foreign.model import ForeignModel, Replay
from edgernn_export.sources.foreign.nodes import graph_module, identifier, needed
from edgernn_export.sources.foreign.options import ImportOptions
from edgernn_export.sources.onnx.constants import info_dtype, info_shape
from edgernn_export.sources.onnx.forms import Form, Source, form_of
from edgernn_export.sources.onnx.loading import array_of, loaded
from edgernn_export.sources.onnx.original import Original, Reference, original_of
from edgernn_export.sources.onnx.reading import Flow
from edgernn_export.sources.onnx.sequences import prove_sequences
from edgernn_export.sources.onnx.sizes import declared
from edgernn_export.sources.torch.trace.threads import one_thread


@dataclass(frozen=True)
class _Roles:
    """What the inputs and outputs of a file are, by their names in it.

    Attributes:
        frames: the inputs that are frames, or sequences of them.
        states: each state among the inputs -> the output that it is in the next step.
        outputs: those to take.
    """

    frames: tuple[str, ...]
    states: Mapping[str, str]
    outputs: tuple[str, ...]


def read(path: str, options: ImportOptions) -> ForeignModel:
    """Read an ONNX model.

    A file that takes sequences is read as a sequence. Where Loop or Scan run over time, or a recurrent node does that
    torch lacks, it is read as one frame, whose states they carry, and proved against whole sequences of the original.

    Args:
        path: the file.
        options: what the user says of it.

    Raises:
        FileError: the file is damaged, too large, or needs other files.
        UsageError: an option names an input or output that does not exist.
        UnsupportedError: an operator or attribute is not supported; the message names its node.
        ParityError: a loop over time computes something else frame by frame.
    """
    model, data = loaded(path)
    source = _source(path, model, len(data), options)
    with one_thread():
        form = form_of(source)
    roles = _roles(path, form, options)
    original = original_of(path, model, data, source.constants)
    return _model(path, form, roles, original, options)


def _source(path: str, model: onnx.ModelProto, size: int, options: ImportOptions) -> Source:
    defaults = {each.name: each for each in model.graph.initializer}
    own = [each for each in model.graph.input if each.name not in defaults or each.name in options.states]
    for name in options.constants:
        if name not in {each.name for each in own}:
            raise UsageError(f"'{path}' has no input '{name}'; {misspelt(name, [each.name for each in own])}")
    free = [each for each in own if each.name not in options.constants]
    fixed = {each.name: each for each in own if each.name in options.constants}
    constants: dict[str, Array] = {
        name: np.full([size if isinstance(size, int) else 1 for size in info_shape(each)], options.constants[name])
        .astype(info_dtype(each))
        for name, each in fixed.items()
    }  # fmt: skip
    initial = {each.name: array_of(path, defaults[each.name]) for each in free if each.name in defaults}
    names, outputs = [each.name for each in free], [each.name for each in model.graph.output]
    states = ((named_alike(names, outputs) | {*options.states}) & {*names}) - {*options.inputs}
    return Source(path, model, declared(path, free, options.shapes), constants, initial, states, size)


def _roles(path: str, form: Form, options: ImportOptions) -> _Roles:
    """Return what each input and output is."""
    for chosen, known, what in ((options.inputs, form.inputs, "input"), (options.outputs, form.outputs, "output")):
        for name in chosen:
            if name not in known:
                raise UsageError(f"'{path}' has no {what} '{name}'; {misspelt(name, list(known))}")
    frames = options.inputs or tuple(_sequences(form, options))
    states = fed_back(
        {name: tuple(flow.example.shape) for name, flow in form.inputs.items()},
        {name: tuple(flow.example.shape) for name, flow in form.outputs.items()},
        form.depends,
        options.states,
        frames,
    )
    left = tuple(name for name in form.inputs if name not in states)
    return _Roles(left, states, options.outputs or tuple(name for name in form.outputs if name not in states.values()))


def _sequences(form: Form, options: ImportOptions) -> list[str]:
    """Return the inputs that have an open axis of time."""
    shapes, sizes = form.source.shapes, form.sizes
    return [name for name in form.inputs if sizes.axis(shapes[name]) is not None and name not in options.states]


@dataclass(frozen=True)
class _Part:
    """An argument or a result of the module: its name there and in the file ("" in none), and its value."""

    name: str
    own: str
    flow: Flow


def _model(
    path: str, form: Form, roles: _Roles, original: Original | Reference | None, options: ImportOptions
) -> ForeignModel:
    """Return the foreign model of what was read; the names in it are identifiers."""
    ins = _parts({name: form.inputs[name] for name in (*roles.frames, *roles.states)})
    outs = _parts({name: form.outputs[name] for name in (*roles.outputs, *roles.states.values())})
    carried = form.reader.carried
    before = _parts({each.name: each.before for each in carried}, ins)
    after = _parts({f"{each.name}_after": each.after for each in carried}, outs)
    named = {part.own: part.name for part in outs}
    states = {part.name: named[roles.states[part.own]] for part in ins if part.own in roles.states}
    states |= {one.name: other.name for one, other in zip(before, after, strict=True)}
    data = [_initial(form, part) if part.own in roles.states else _varied(form, part) for part in ins]
    whole = original is not None and not form.one_frame
    model = ForeignModel(
        name=Path(path).name,
        module=_module(form, [*ins, *before], [*outs, *after]),
        example=(*data, *(part.flow.example for part in before)),
        inputs=tuple(part.name for part in ins if part.own not in roles.states),
        outputs=tuple(named[name] for name in roles.outputs),
        states=states,
        time_axis=_time_axis(form, roles, options),
        one_frame=bool(states) and options.time_axis is None and form.single,
        period_ms=options.period_ms,
        labels=options.labels,
        integers=tuple(form.reader.integers),
        original=_replay(original, ins, outs) if whole and original is not None else None,
        runtime="" if original is None else original.runtime,
    )
    if original is not None and form.one_frame:
        prove_sequences(model, form, roles.frames, roles.outputs, original)
    return model


def _parts(flows: Mapping[str, Flow], others: Sequence[_Part] = ()) -> list[_Part]:
    """Return parts with names of their own, unlike those of others."""
    parts: list[_Part] = []
    for own, flow in flows.items():
        parts.append(_Part(identifier(own, (each.name for each in (*others, *parts))), own, flow))
    return parts


def _module(form: Form, ins: Sequence[_Part], outs: Sequence[_Part]) -> nn.Module:
    results = {part.name: part.flow.slot for part in outs}
    steps = needed(form.reader.steps, results.values())
    names, slots = [part.name for part in ins], [part.flow.slot for part in ins]
    return graph_module("OnnxGraph", names, form.reader.modules, steps, slots, results)


def _initial(form: Form, part: _Part) -> Tensor:
    """Return the state before the first step: zeros, or the value that the file has."""
    return part.flow.example if part.own in form.source.initial else torch.zeros_like(part.flow.example)


def _varied(form: Form, part: _Part) -> Tensor:
    """Return an example of an input; of whole numbers, up to the last row of the table in which they are looked up."""
    example = part.flow.example
    if example.dtype != torch.int64:
        return example
    rows = form.reader.tables.get(part.flow.slot, 2)
    return (torch.arange(example.numel()).flip(0) + rows - example.numel()).remainder(rows).reshape(example.shape)


def _time_axis(form: Form, roles: _Roles, options: ImportOptions) -> int | None:
    """Return the axis of time in the inputs: what the user says, or the open one."""
    if options.time_axis is not None or form.one_frame:
        return options.time_axis
    return form.sizes.axis(form.source.shapes[roles.frames[0]])


def _replay(original: Original | Reference, ins: Sequence[_Part], outs: Sequence[_Part]) -> Replay:
    """Return the original with arguments and results in the order of the module's."""

    def run(arguments: Sequence[Array]) -> Sequence[Array]:
        feeds = {part.own: value for part, value in zip(ins, arguments, strict=True)}
        return original.run(feeds, [part.own for part in outs])

    return run
