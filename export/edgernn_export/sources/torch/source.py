"""Conversion of a torch.nn.Module to a graph."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from edgernn.cells import Slice
from edgernn.errors import ParityError, UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import INPUT, Graph
from edgernn.model.layer import Layer
from edgernn_export.sources.torch.layers.fold import folded, needed
from edgernn_export.sources.torch.operations.sums import RUNNING
from edgernn_export.sources.torch.proof.sequences import prove, prove_frames
from edgernn_export.sources.torch.signature.feedback import Names
from edgernn_export.sources.torch.signature.inputs import Inputs, has_steps, inputs_of
from edgernn_export.sources.torch.signature.shortening import lengthened, memory, shortened
from edgernn_export.sources.torch.signature.time_axis import time_axes
from edgernn_export.sources.torch.trace.calling import positional
from edgernn_export.sources.torch.trace.program import module_of
from edgernn_export.sources.torch.trace.scripted import program_of
from edgernn_export.sources.torch.trace.threads import one_thread
from edgernn_export.sources.torch.trace.tracing import Traced, retraced, traced
from edgernn_export.sources.torch.walk import NeedsFrameError, Walked, walk

# a conversion changes torch's default dtype, its threads and sys.stderr for a while; they belong to the whole process
_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True)
class Options:
    """What the caller says of the arguments and results of a module; see `edgernn_export.from_torch`.

    With `initial_states`, the states in the example are the initial ones; else they begin with zeros. With `one_frame`,
    the example is a frame and states, whatever layers run over parts of it.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    states: Names = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    initial_states: bool = False
    one_frame: bool = False


def convert(
    module: nn.Module | ExportedProgram,
    example: Any,
    time_axis: int | None,
    period_ms: float | None,
    labels: tuple[str, ...],
    options: Options,
) -> Graph:
    """Convert a module and prove its graph; see `edgernn_export.from_torch`."""
    unknown = sorted(options.running - set(RUNNING))
    if unknown:
        raise UsageError(f"running={unknown[0]!r} arrived; {misspelt(unknown[0], list(RUNNING))}")
    graph = exact(module, example, time_axis, options)
    period_ms = None if period_ms is None else period_ms * graph.frames_per_step
    return replace(graph, period_ms=period_ms, labels=labels).astype("float32")


def exact(module: nn.Module | ExportedProgram, example: Any, time_axis: int | None, options: Options) -> Graph:
    """Convert a module and prove its graph, whose weights stay in float64."""
    with _ONE_AT_A_TIME, one_thread(), torch.random.fork_rng(devices=[]):
        if isinstance(module, torch.jit.ScriptModule):
            module = program_of(module, example)
        module = module_of(module) if isinstance(module, ExportedProgram) else module
        example = positional(module, example) if isinstance(module, nn.Module) else example
        for axis, length, shorter in () if options.one_frame else shortened(module, example, time_axis):
            graph = _of_long(module, shorter, time_axis, axis, length, options)
            if graph is not None:
                return graph
        return _of_example(module, example, time_axis, options)


def _of_example(module: nn.Module, example: Any, time_axis: int | None, options: Options) -> Graph:
    """Convert a module by the whole example, along the first axis on which it can stream."""
    trace, first = traced(module, example), None
    for axis in (None,) if options.one_frame else time_axes(trace, time_axis):
        try:
            return _along(module, example, trace, axis, options)
        except (UnsupportedError, ParityError) as error:
            first = first or error
    assert first is not None
    raise first


def _along(module: nn.Module, example: Any, trace: Traced, axis: int | None, options: Options) -> Graph:
    """Convert a module by its example; by its first frame, where a state is handed to no layer as a whole."""
    inputs = _inputs(trace, axis, options)
    try:
        walked = walk(trace, axis, inputs, options.outputs, options.running)
    except NeedsFrameError as reason:
        whole = trace
        try:
            trace = traced(module, _first_frames(example, axis, inputs.data))
            inputs_of_one = _inputs(trace, None, replace(options, inputs=inputs.names))
            walked = walk(trace, None, inputs_of_one, options.outputs, options.running)
        except UnsupportedError as error:
            raise UnsupportedError(f"{reason}; and one frame alone does not convert: {error}") from error
        prove_frames(whole, inputs, walked, _graph(walked), axis)
    graph = _graph(walked)
    prove(trace, walked, graph)
    return graph


def _inputs(trace: Traced, axis: int | None, options: Options) -> Inputs:
    return inputs_of(trace, axis, options.inputs, options.states, options.initial_states)


def _first_frames(example: Any, axis: int | None, data: tuple[int, ...]) -> Any:
    """Return the example with one frame of each sequence."""
    assert axis is not None
    arguments = example if isinstance(example, tuple) else (example,)
    return tuple(
        each.narrow(axis, 0, 1) if i in data and has_steps(each, arguments[0], axis) else each
        for i, each in enumerate(arguments)
    )


def _of_long(
    module: nn.Module, shorter: Any, time_axis: int | None, axis: int, length: int, options: Options
) -> Graph | None:
    """Convert a module by a shorter example than that of the user, whose time axis has this length.

    The graph is that of the operations on a sequence more than twice as long as the example, which are only followed;
    it is proved on the shorter one. So a module that depends on the length is no more accepted than by the example.

    Returns:
        The graph, or None when only the whole example can show whether there is one, or why not.
    """
    try:
        trace = traced(module, shorter)
        if time_axes(trace, time_axis)[0] != axis:
            return None
        longer = retraced(trace, lengthened(trace.example, axis, 2 * length + 1))
        walked, long = (
            walk(each, axis, _inputs(each, axis, options), options.outputs, options.running) for each in (trace, longer)
        )
        if _timing(walked) != _timing(long):
            return None
        graph = _graph(long)
        prove(trace, walked, graph, min(2 * length + 1, walked.x.length + memory(graph)))
    except (UnsupportedError, UsageError, ParityError, NeedsFrameError):
        return None
    return graph


def _timing(walked: Walked) -> list[tuple[str, int | None, int]]:
    """Return the name of each output, its time axis, and the step at which it begins."""
    return [(output.name, output.value.time, output.value.lead) for output in walked.outputs]


def _graph(walked: Walked) -> Graph:
    """Return the graph of the layers that the output depends on, with scales folded."""
    last, width = walked.output.layer, walked.output.width
    layers, renamed = folded(needed(walked.layers, last, width))
    layers = tuple(needed(layers, renamed.get(last, last), width))  # a folded scale may not be last
    for scale, layer in renamed.items():
        if scale in walked.places:
            walked.places[layer] = walked.places[scale]
    names = {layer.name for layer in layers}
    initial_state = {name: tensor for name, tensor in walked.initial_state.items() if name.split(".")[0] in names}
    xs = zip(walked.inputs.names, walked.xs, strict=True) if len(walked.xs) > 1 else ()
    ys = walked.outputs if len(walked.outputs) > 1 else ()
    value, frames = walked.output, walked.output.every
    return Graph(
        tuple(_of_step(layer, walked, frames) for layer in layers),
        walked.x.width * frames,
        initial_state,
        named_inputs={name: x.width * frames for name, x in xs},
        named_outputs={output.name: output.value.width for output in ys},
        frames_per_step=frames,
        delay_frames=value.delay * frames,
        warmup_frames=-value.lead * frames,
    )


def _of_step(layer: Layer, walked: Walked, frames: int) -> Layer:
    """Return a layer as it runs in a step of so many frames."""
    if layer.name not in walked.every:  # one of several inputs, whose frames arrive together, or a slice of the output
        cell = layer.cell
        scale = frames if layer.inputs == (INPUT,) and len(walked.xs) > 1 else 1
        return replace(layer, cell=Slice(*(scale * each for each in (cell.inputs, cell.start, cell.stop))))
    if layer.cell.delays and walked.every[layer.name] < frames:
        raise UnsupportedError(
            f"a state of layer '{layer.name}' is computed or read by other operations, and a stride over time follows; "
            "hand the state to one recurrent layer"
        )
    return replace(layer, frames=frames // walked.every[layer.name])
