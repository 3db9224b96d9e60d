"""The walk over a trace: each operation becomes layers, an arrangement of axes, or a constant."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.cells import Slice
from edgernn.errors import EdgernnError, UsageError
from edgernn.model.graph import INPUT, OUTPUT
from edgernn.model.layer import Layer
from edgernn.model.tensor import Tensor
from edgernn_export.sources.torch.layers.axes import GETITEM
from edgernn_export.sources.torch.layers.builder import Builder, NeedsDelayError, op_of
from edgernn_export.sources.torch.layers.value import Complex, Counted, Flowing, Incoming, Value
from edgernn_export.sources.torch.operations.arithmetic import ARITHMETIC
from edgernn_export.sources.torch.operations.assembly import ASSEMBLY, REARRANGES, is_overwritten, rearranged
from edgernn_export.sources.torch.operations.counted import AS, of_counted
from edgernn_export.sources.torch.operations.indexing import INDEXING
from edgernn_export.sources.torch.operations.linear import LINEAR
from edgernn_export.sources.torch.operations.norms import NORMS
from edgernn_export.sources.torch.operations.parts import UNWRITTEN, Parts, unwritten, value_of
from edgernn_export.sources.torch.operations.piecewise import PIECEWISE
from edgernn_export.sources.torch.operations.pointwise import POINTWISE
from edgernn_export.sources.torch.operations.recurrent import RECURRENT, leaf, leaf_with_states
from edgernn_export.sources.torch.operations.shapes import SHAPES
from edgernn_export.sources.torch.operations.spectra import SPECTRA, of_complex
from edgernn_export.sources.torch.operations.sums import SUMS
from edgernn_export.sources.torch.operations.weighted import WEIGHTED
from edgernn_export.sources.torch.operations.within import WITHIN
from edgernn_export.sources.torch.signature.inputs import Inputs, has_steps
from edgernn_export.sources.torch.signature.outputs import Output, chosen_outputs, joined
from edgernn_export.sources.torch.trace.copying import first_line
from edgernn_export.sources.torch.trace.leaves import is_leaf
from edgernn_export.sources.torch.trace.tracing import Traced, arguments, double, evaluate, named

OF_SHAPE = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""ATen operations that use only the shape of a value; their results are constants."""

HANDLERS = {
    **SHAPES,
    **POINTWISE,
    **ARITHMETIC,
    **PIECEWISE,
    **SUMS,
    **NORMS,
    **WEIGHTED,
    **WITHIN,
    **SPECTRA,
    **LINEAR,
    **INDEXING,
    **RECURRENT,
    **ASSEMBLY,
}
"""ATen operation -> the function that converts it."""


class NeedsFrameError(Exception):
    """The module must be traced with one frame; the message says why."""


@dataclass(frozen=True)
class Walked:
    """A converted trace: layers, initial states, output and input, and the operation of each layer.

    Several outputs are side by side in `output`, and several inputs in `x`.
    """

    layers: tuple[Layer, ...]
    initial_state: Mapping[str, Tensor]
    output: Value
    outputs: tuple[Output, ...]
    x: Value
    inputs: Inputs
    xs: tuple[Value, ...]
    places: dict[str, tuple[Node, Value]]  # layer -> the operation and the value that it computes
    every: Mapping[str, int]  # layer -> how many frames lie between two frames of its output
    taken: Mapping[Node, Value]  # an operation that takes the last step of a value, and that value


def walk(
    traced: Traced,
    axis: int | None,
    inputs: Inputs,
    outputs: Sequence[str] = (),
    running: frozenset[str] = frozenset(),
) -> Walked:
    """Convert every operation.

    Args:
        traced: the module and its operations.
        axis: the time axis of the input; None when the module takes one frame.
        inputs: which of its arguments are data.
        outputs: the names of the results to take; empty for all.
        running: which of RUNNING run over all frames so far.

    A state of the caller's that one recurrent layer takes whole and returns is the state of that layer. Any other state
    is a value that a Delay carries, and so is a layer's state where other operations read it.

    Raises:
        NeedsFrameError: a Delay must carry a state of the caller's, or an input has one value for all frames of a
            call, for which the module must take one frame.
        UsageError: the module returns nothing of a name in `outputs`, or nothing runs over time as `running` says.
        UnsupportedError: an operation cannot stream or is not known; the message names its module.
    """
    delayed: frozenset[int | Node] = frozenset()
    for name, x in zip(inputs.names, inputs.tensors, strict=True):
        if axis is not None and not has_steps(x, inputs.tensors[0], axis):
            raise NeedsFrameError(
                f"input '{name}' is of shape {tuple(x.shape)}; expected as many steps as the first, of shape "
                f"{tuple(inputs.tensors[0].shape)}, has on axis {axis}, or a value for each frame"
            )
    while True:
        try:
            return _walk(traced, axis, inputs, outputs, delayed, running)
        except NeedsDelayError as error:
            if axis is not None and isinstance(error.what, int):
                raise NeedsFrameError(f"no layer takes state '{inputs.states[error.what]}' as a whole") from None
            if error.what in delayed:
                raise
            delayed |= {error.what}


def _walk(
    traced: Traced,
    axis: int | None,
    inputs: Inputs,
    outputs: Sequence[str],
    delayed: frozenset[int | Node],
    running: frozenset[str],
) -> Walked:
    data, states = inputs.nodes(traced)
    xs = [Value(INPUT, tuple(node.meta["val"].shape), axis) for node in data]
    shape = xs[0].shape
    several = sum(length > 1 for i, length in enumerate(shape) if i != axis) > 1
    batch = several and shape[1 if axis == 0 else 0] > 1
    builder = Builder(frames=xs[0].length, batch=batch, node=data[0], one_frame=axis is None, delayed=delayed)
    builder.running = running
    x, xs = _cut(builder, inputs.names, xs)
    values: dict[Node, Any] = dict(zip(data, xs, strict=True))
    for position, (node, state, name) in enumerate(zip(states, inputs.before, inputs.states, strict=True)):
        values[node] = Incoming(position, tuple(state.shape))
        if position in delayed:
            values[node] = Value(builder.delay(name, state.numel(), state), tuple(state.shape), None)
    for node in traced.nodes:
        if node.op == "call_function" and is_overwritten(node):
            values[node] = unwritten(node.meta["val"].shape)
            continue
        _put_together(builder, node, values)
        builder.node, builder.arguments = node, {}
        if node.op == "placeholder" and node.name in traced.constants:
            values[node] = traced.constants[node.name]
        elif node.op == "call_function":
            values[node] = _convert(builder, node, values, traced)
    chosen = chosen_outputs(builder, traced, values, inputs, outputs)
    output = joined(builder, chosen)
    if running - builder.ran:
        raise UsageError(
            f"running={sorted(running)}, but the module takes no {' or '.join(sorted(running - builder.ran))} over time"
        )
    places: dict[str, tuple[Node, Value]] = {}
    for node, value in values.items():
        if isinstance(value, Value):
            places.setdefault(value.layer, (node, value))
    return Walked(
        tuple(builder.layers), builder.initial_state, output, chosen, x, inputs, tuple(xs), places, builder.every,
        builder.taken,
    )  # fmt: skip


def _cut(builder: Builder, names: Sequence[str], xs: list[Value]) -> tuple[Value, list[Value]]:
    """Return the frame, and each of several inputs as a slice of it: they are side by side."""
    if len(xs) == 1:
        return xs[0], xs
    total, start, parts = sum(x.width for x in xs), 0, []
    for name, x in zip(names, xs, strict=True):
        layer = name if name not in {INPUT, OUTPUT} and re.match("[A-Za-z]", name) else f"input_{name}"
        builder.layers.append(Layer(layer, Slice(total, start, start + x.width), (INPUT,)))  # of whole steps
        parts.append(x.of(layer))
        start += x.width
    return Value(INPUT, (xs[0].length, total), None if xs[0].time is None else 0), parts


def _put_together(builder: Builder, node: Node, values: dict[Node, Any]) -> None:
    """Let layers compute the values in parts that an operation reads; none does for those that only pass them on."""
    if op_of(node) in ASSEMBLY or (node.op == "call_function" and op_of(node) in REARRANGES):
        return
    for source in node.all_input_nodes:
        if isinstance(values[source], Parts):
            builder.node = source
            values[source] = value_of(builder, values[source])


def _convert(builder: Builder, node: Node, values: Mapping[Node, Any], traced: Traced) -> Any:
    args, kwargs = arguments(node, values)
    builder.arguments = named(node, args, kwargs)
    if op_of(node) in UNWRITTEN:
        return unwritten(builder.shape)
    if not any(isinstance(arg, Flowing | Counted | Complex | Parts) for arg in pytree.tree_leaves((args, kwargs))):
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise builder.refuse()
        with double():
            return evaluate(node, values, traced.leaves)
    if op_of(node) == "_assert_tensor_metadata":
        return None
    if op_of(node) in OF_SHAPE or (op_of(node) in AS and isinstance(args[0], torch.Tensor)):
        flowing = [each for each in node.all_input_nodes if not isinstance(values[each], torch.Tensor)]
        zeros = {source: torch.zeros(source.meta["val"].shape) for source in flowing}
        with double():
            return evaluate(node, {**values, **zeros}, traced.leaves)
    if op_of(node) == GETITEM:
        return args[0][args[1]]
    if is_leaf(node):
        return (leaf_with_states if args[3:] else leaf)(builder, args[0], traced.leaves[args[1]], *args[3:])
    if isinstance(args[0], Parts) and op_of(node) in REARRANGES:
        passed = rearranged(builder, *args)
        if passed is not None:
            return passed
        args = (value_of(builder, args[0]), *args[1:])
    handler, leaves = HANDLERS.get(op_of(node)), pytree.tree_leaves((args, kwargs))
    several = any(isinstance(arg, Complex) for arg in leaves)
    if handler is None and not several:
        raise builder.refuse()
    try:
        if several:
            return of_complex(builder, handler, args, kwargs)
        assert handler is not None
        if any(isinstance(arg, Counted) for arg in leaves):
            return of_counted(builder, handler, args, kwargs)
        return handler(builder, *args, **kwargs)
    except (EdgernnError, NeedsDelayError):
        raise
    except Exception as error:  # arguments that a handler does not know fail in many ways
        raise builder.refuse(f"its arguments are not supported ({first_line(error)})") from error
