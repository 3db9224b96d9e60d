"""The outputs of a module: one output of the graph, and besides it only states."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Node

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.axes import GETITEM, SAME
from edgernn_export.sources.torch.builder import Builder, NeedsDelayError, op_of, weight
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.recurrent import RECURRENT_OPERATIONS
from edgernn_export.sources.torch.tracing import Traced, path_of
from edgernn_export.sources.torch.value import Carried, Flowing, Stack, Value

State = tuple[tuple[str, ...], str]
"""The layers of a state, and its name."""


def chosen_output(builder: Builder, traced: Traced, values: Mapping[Node, Any]) -> Value:
    """Return the module's first output; the others must be states. Connect every state to the result that it becomes.

    A state that is not passed in is accepted where nn.GRU, nn.LSTM or nn.RNN returns it besides its output. A step of
    the output itself counts as a second output.

    Raises:
        NeedsDelayError: a layer's state does not become its result.
        UnsupportedError: there are several outputs (the error names them), or no state becomes one.
    """
    outputs = [values[node] for node in traced.outputs]
    if not outputs or isinstance(outputs[0], torch.Tensor) or getattr(outputs[0], "layer", "") == "x":
        raise UnsupportedError("the module's first output is not computed by a layer; return the scores first")
    extra = [i for i in range(1, len(outputs)) if i not in traced.feedback and not _is_returned(traced.outputs[i])]
    if extra:
        raise UnsupportedError(
            f"the module has {len(outputs)} outputs; expected one, and besides it only its own states: "
            f"{'; '.join(_named(i, traced.outputs[i], outputs[i]) for i in extra)}; remove outputs that the stream "
            "does not need, or join outputs of the same step with torch.cat"
        )
    for position, result in enumerate(traced.feedback):
        _connect(builder, traced, values, position, outputs[result])
    output = frame(builder, outputs[0]).at(tuple(traced.outputs[0].meta["val"].shape), _time(outputs[0]))
    _check_time(builder, output)
    return output


def _time(value: Any) -> int | None:
    return value.time if isinstance(value, Value) else None


def _connect(builder: Builder, traced: Traced, values: Mapping[Node, Any], position: int, result: Any) -> None:
    """Feed a result back into a state of the caller's."""
    node = traced.inputs[1 + position]
    name, state = traced.names[position], values[node]
    if isinstance(state, Value):
        if not isinstance(result, Flowing):
            raise UnsupportedError(
                f"nothing feeds state '{name}' back: its result is a constant; return the state after the step"
            )
        builder.feed_back(state.layer, frame(builder, result).layer)
        return
    if position not in builder.fed and not node.users:
        return
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    if builder.fed.get(position) is None or _state_of(result, stateful) != builder.fed[position]:
        raise NeedsDelayError(position)
    layers, own = builder.fed[position]
    for layer, initial in zip(layers, traced.states[position].reshape(len(layers), -1), strict=True):
        if torch.count_nonzero(initial):
            builder.initial_state[f"{layer}.{own}"] = weight(initial)


def _is_returned(node: Node) -> bool:
    """Whether this is a state exactly as nn.GRU, nn.LSTM or nn.RNN returns it besides its output."""
    while op_of(node) in SAME or (op_of(node) != GETITEM and _inside_recurrent(node)):
        before = node.args[0] if node.args else None
        if not isinstance(before, Node):
            return False
        node = before
    if op_of(node) != GETITEM:
        return False
    source, position = node.args
    return isinstance(source, Node) and op_of(source) in RECURRENT_OPERATIONS and bool(position != 0)


def _inside_recurrent(node: Node) -> bool:
    """Whether this operation is inside the forward of a recurrent module of torch."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return bool(stack) and "torch.nn.modules.rnn" in str(stack[-1][1])


def _named(i: int, node: Node, value: Any) -> str:
    """Describe an output for a message: its position, shape and origin."""
    path = path_of(node)
    where = f"module '{path}'" if path else "the module's own forward"
    layer = f", a value of layer '{value.layer}'" if isinstance(value, Value) and value.layer != "x" else ""
    return f"output {i + 1} {tuple(node.meta['val'].shape)} comes from '{op_of(node)}' in {where}{layer}"


def _check_time(builder: Builder, output: Value) -> None:
    if output.lead > 0 or output.end > builder.steps:
        ahead = max(output.end - builder.steps, output.lead)
        raise UnsupportedError(
            f"the output looks {ahead} frames ahead or is longer than the input; pad convolutions on the left only, "
            "or cut off the surplus: x[:, :, :-padding]"
        )


def _state_of(value: Any, stateful: set[str]) -> State | None:
    """Return the layers and name of the state that this value is; a hidden state is also its layer's output."""
    match value:
        case Carried(layers, name, _):
            return layers, name
        case Stack(values):
            return tuple(one.layer for one in values), "h"
        case Value(layer, _, None) if layer in stateful:
            return (layer,), "h"
        case _:
            return None
