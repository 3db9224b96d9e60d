"""Walking: every operation of a traced module, read as a layer, an arrangement of axes, or a constant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from edgernn.errors import UnsupportedError
from edgernn.graph import Layer
from edgernn.tensor import Tensor
from edgernn_export.sources.torch.axes import moved
from edgernn_export.sources.torch.builder import Builder, op_of
from edgernn_export.sources.torch.pointwise import POINTWISE
from edgernn_export.sources.torch.recurrent import RECURRENT, leaf, time_axis
from edgernn_export.sources.torch.shapes import SHAPES
from edgernn_export.sources.torch.tracing import Traced, arguments, double, evaluate, is_leaf
from edgernn_export.sources.torch.value import Carried, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.weighted import WEIGHTED

OF_SHAPE = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"}
"""ATen operations that ask a value for its shape alone, and so make constants."""

GETITEM = "<built-in function getitem>"

HANDLERS = {**SHAPES, **POINTWISE, **WEIGHTED, **RECURRENT}
"""ATen operation -> what reads it."""


@dataclass(frozen=True)
class Walked:
    """What was found: layers that end in the output, initial states, and where in the module each layer is."""

    layers: tuple[Layer, ...]
    rest: Mapping[str, Tensor]
    output: Value
    x: Value
    places: dict[str, tuple[Node, Value]]  # layer -> where in the module its values are


def walk(traced: Traced, axis: int | None) -> Walked:
    """Read every operation, with time on this axis of the input; None when the module takes one frame.

    Raises:
        UnsupportedError: an operation that cannot stream or is not known, with its module.
    """
    first = traced.inputs[0]
    shape = tuple(first.meta["val"].shape)
    x = Value("x", shape, axis)
    builder = Builder(steps=x.length, node=first)
    values: dict[Node, Any] = {first: x}
    for position, node in enumerate(traced.inputs[1:]):
        values[node] = Incoming(position, tuple(node.meta["val"].shape))
    for node in traced.nodes:
        builder.node = node
        if node.op == "placeholder" and node.name in traced.constants:
            values[node] = traced.constants[node.name]
        elif node.op == "call_function":
            values[node] = _read(builder, node, values, traced)
    output = _output(builder, [values[node] for node in traced.outputs], len(traced.inputs) - 1)
    places: dict[str, tuple[Node, Value]] = {}
    for node, value in values.items():
        if isinstance(value, Value):
            places.setdefault(value.layer, (node, value))
    return Walked(tuple(builder.layers), builder.rest, output, x, places)


def find_time(traced: Traced) -> int | None:
    """The axis of the input that the first recurrent operation runs over, else the first convolution."""
    axes: dict[Node, tuple[int | None, ...]] = {traced.inputs[0]: tuple(range(traced.inputs[0].meta["val"].dim()))}
    convolved = None
    for node in traced.nodes:
        source = next((arg for arg in pytree.tree_leaves(node.args) if arg in axes), None)
        if (
            node.op != "call_function"
            or source is None
            or not isinstance(node.meta["val"], torch.Tensor | tuple | list)
        ):
            continue
        runs_over = time_axis(node)
        if runs_over is not None:
            return axes[source][runs_over]
        if op_of(node) == "conv1d" and convolved is None:
            convolved = axes[source][-1]
        made = node.meta["val"]
        made = made[0] if isinstance(made, tuple | list) else made  # the parts of a split all have the same axes
        if op_of(node) == GETITEM:
            axes[node] = axes[source]
        elif isinstance(made, torch.Tensor):
            args = node.args[1:] if source is node.args[0] else ()
            origin = moved(op_of(node), source.meta["val"].shape, args, made.shape)
            axes[node] = tuple(None if old is None else axes[source][old] for old in origin)
    return convolved


def _read(builder: Builder, node: Node, values: Mapping[Node, Any], traced: Traced) -> Any:
    args, kwargs = arguments(node, values)
    if not any(isinstance(arg, Flowing) for arg in pytree.tree_leaves((args, kwargs))):
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise builder.refuse("it draws random numbers, so no two runs agree; make it a buffer or a parameter")
        with double():
            return evaluate(node, values, traced.leaves)
    if op_of(node) == "_assert_tensor_metadata":
        return None
    if op_of(node) in OF_SHAPE:
        zeros = {source: torch.zeros(source.meta["val"].shape) for source in node.all_input_nodes}
        with double():
            return evaluate(node, {**values, **zeros}, traced.leaves)
    if op_of(node) == GETITEM:
        return args[0][args[1]]
    if is_leaf(node):
        return leaf(builder, args[0], traced.leaves[args[1]])
    handler = HANDLERS.get(op_of(node))
    if handler is None:
        raise builder.refuse()
    try:
        return handler(builder, *args, **kwargs)
    except TypeError as error:
        raise builder.refuse(f"it is called in a way that is not known here ({error})") from error


def _output(builder: Builder, outputs: list[Any], incoming: int) -> Value:
    """The module's answer; further outputs must be states, each the one that came in at its place."""
    if incoming != len(builder.fed):
        raise UnsupportedError(
            f"the module takes {incoming} tensors beside its input, and {len(builder.fed)} of them are states of its "
            "layers; give one input sequence, and beside it only states"
        )
    found = outputs[0] if outputs else None
    if isinstance(found, Stack) and len(found.values) == 1:
        found = found.values[0].at(found.shape, None)
    if not isinstance(found, Value) or found.layer == "x":
        raise UnsupportedError("the module's first output is no value that a layer makes; return the scores first")
    others = outputs if len(outputs) == len(builder.fed) else outputs[1:]
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    states = [_state_of(other, stateful) for other in others]
    if None in states:
        raise UnsupportedError(
            f"the module has {len(outputs)} outputs; expected one, and beside it only its own states"
        )
    for position, fed in builder.fed.items():
        if position >= len(states) or states[position] != fed:
            raise UnsupportedError(
                f"state {position} goes into '{fed[0][0]}' and is not returned in its place; return the states in the "
                "order in which they are passed in"
            )
    if found.lead > 0 or found.end > builder.steps:
        ahead = max(found.end - builder.steps, found.lead)
        raise UnsupportedError(
            f"the output looks {ahead} frames ahead or is longer than the input; pad convolutions on the left only, "
            "or cut the surplus off: x[:, :, :-padding]"
        )
    return found


def _state_of(value: Any, stateful: set[str]) -> tuple[tuple[str, ...], str] | None:
    """Which layers' state this output is; a hidden state is also its layer's output."""
    match value:
        case Carried(layers, name):
            return layers, name
        case Stack(values):
            return tuple(one.layer for one in values), "h"
        case Value(layer, _, None) if layer in stateful:
            return (layer,), "h"
        case _:
            return None
