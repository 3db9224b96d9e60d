"""What a module answers with: one output of the graph, and beside it only states."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch.fx import Node

from edgernn.errors import UnsupportedError
from edgernn_export.sources.torch.axes import GETITEM, SAME
from edgernn_export.sources.torch.builder import Builder, op_of
from edgernn_export.sources.torch.recurrent import KINDS
from edgernn_export.sources.torch.tracing import path_of
from edgernn_export.sources.torch.value import Carried, Stack, Value

State = tuple[tuple[str, ...], str]
"""The layers that a state belongs to, and its name."""


def chosen_output(builder: Builder, nodes: Sequence[Node], values: Mapping[Node, Any], incoming: int) -> Value:
    """The module's first answer; the others must be states.

    A state that the caller passes in is returned in its place. Where none is passed in, a state is what nn.GRU and the
    like return beside their output; a step taken from the output is an answer of its own.

    Raises:
        UnsupportedError: there are several answers, with their names; or states are not returned in their places.
    """
    outputs = [values[node] for node in nodes]
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
    first = 0 if len(outputs) == len(builder.fed) else 1
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    for position, fed in builder.fed.items():
        if first + position >= len(outputs) or _state_of(outputs[first + position], stateful) != fed:
            raise UnsupportedError(
                f"state {position} goes into '{fed[0][0]}' and is not returned in its place; return the states in the "
                "order in which they are passed in"
            )
    beside = range(first + len(builder.fed), len(outputs))
    answers = [i for i in beside if not _is_returned(nodes[i])]
    if answers:
        raise UnsupportedError(
            f"the module has {len(outputs)} outputs; expected one, and beside it only its own states: "
            f"{'; '.join(_named(i, nodes[i], outputs[i]) for i in answers)}; leave out what the stream need not "
            "answer, or join answers of the same step by torch.cat"
        )
    _check_time(builder, found)
    return found


def _is_returned(node: Node) -> bool:
    """Whether nn.GRU and the like return this beside their output, as it is."""
    while op_of(node) in SAME or (op_of(node) != GETITEM and _inside_recurrent(node)):
        before = node.args[0] if node.args else None
        if not isinstance(before, Node):
            return False
        node = before
    if op_of(node) != GETITEM:
        return False
    source, place = node.args
    return isinstance(source, Node) and op_of(source) in KINDS and bool(place != 0)


def _inside_recurrent(node: Node) -> bool:
    """Whether the forward of nn.GRU or the like says this operation."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return bool(stack) and "torch.nn.modules.rnn" in str(stack[-1][1])


def _named(i: int, node: Node, value: Any) -> str:
    """An output as a message names it: its place, shape and origin."""
    path = path_of(node)
    where = f"module '{path}'" if path else "the module's own forward"
    layer = f", a value of layer '{value.layer}'" if isinstance(value, Value) and value.layer != "x" else ""
    return f"output {i + 1} {tuple(node.meta['val'].shape)} comes from '{op_of(node)}' in {where}{layer}"


def _check_time(builder: Builder, found: Value) -> None:
    if found.lead > 0 or found.end > builder.steps:
        ahead = max(found.end - builder.steps, found.lead)
        raise UnsupportedError(
            f"the output looks {ahead} frames ahead or is longer than the input; pad convolutions on the left only, "
            "or cut the surplus off: x[:, :, :-padding]"
        )


def _state_of(value: Any, stateful: set[str]) -> State | None:
    """Which layers' state this is; a hidden state is also its layer's output."""
    match value:
        case Carried(layers, name):
            return layers, name
        case Stack(values):
            return tuple(one.layer for one in values), "h"
        case Value(layer, _, None) if layer in stateful:
            return (layer,), "h"
        case _:
            return None
