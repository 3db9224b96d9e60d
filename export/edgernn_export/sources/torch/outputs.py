"""The outputs of a module: one output of the graph, and besides it only states."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.fx import Node

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.axes import GETITEM, SAME
from edgernn_export.sources.torch.builder import Builder, op_of
from edgernn_export.sources.torch.recurrent import RECURRENT_OPERATIONS
from edgernn_export.sources.torch.tracing import path_of
from edgernn_export.sources.torch.value import Carried, Stack, Value

State = tuple[tuple[str, ...], str]
"""The layers of a state, and its name."""


def chosen_output(builder: Builder, nodes: Sequence[Node], values: Mapping[Node, Any], incoming: int) -> Value:
    """Return the module's first output; the others must be states.

    A state that the caller passes in must be returned in its position. A state that is not passed in is accepted where
    nn.GRU, nn.LSTM or nn.RNN returns it besides its output. A step of the output itself counts as a second output.

    Raises:
        UnsupportedError: there are several outputs (the error names them), or states are not returned in their
            positions.
    """
    outputs = [values[node] for node in nodes]
    if incoming != len(builder.fed):
        raise UnsupportedError(
            f"the module takes {incoming} tensors besides its input, and {len(builder.fed)} of them are states of its "
            "layers; pass one input sequence, and besides it only states"
        )
    output = outputs[0] if outputs else None
    if isinstance(output, Stack) and len(output.values) == 1:
        output = output.values[0].at(output.shape, None)
    if not isinstance(output, Value) or output.layer == "x":
        raise UnsupportedError("the module's first output is not computed by a layer; return the scores first")
    first = 0 if len(outputs) == len(builder.fed) else 1
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    for position, fed in builder.fed.items():
        if first + position >= len(outputs) or _state_of(outputs[first + position], stateful) != fed:
            raise UnsupportedError(
                f"state {position} is passed to '{fed[0][0]}' and not returned in its position; return the states in "
                "the order in which they are passed in"
            )
    beside = range(first + len(builder.fed), len(outputs))
    extra = [i for i in beside if not _is_returned(nodes[i])]
    if extra:
        raise UnsupportedError(
            f"the module has {len(outputs)} outputs; expected one, and besides it only its own states: "
            f"{'; '.join(_named(i, nodes[i], outputs[i]) for i in extra)}; remove outputs that the stream does not "
            "need, or join outputs of the same step with torch.cat"
        )
    _check_time(builder, output)
    return output


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
        case Carried(layers, name):
            return layers, name
        case Stack(values):
            return tuple(one.layer for one in values), "h"
        case Value(layer, _, None) if layer in stateful:
            return (layer,), "h"
        case _:
            return None
