"""The results of a module: the outputs of the graph, and besides them only states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.fx import Node

from edgernn.cells import Concat
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.graph import INPUT
from edgernn.model.layer import Layer
from edgernn_export.sources.torch.layers.axes import GETITEM, SAME
from edgernn_export.sources.torch.layers.builder import Builder, NeedsDelayError, op_of, weight
from edgernn_export.sources.torch.layers.value import Carried, Counted, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.operations.counted import GROWS
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.recurrent import RECURRENT_OPERATIONS
from edgernn_export.sources.torch.operations.windows import shifted
from edgernn_export.sources.torch.signature.inputs import Inputs
from edgernn_export.sources.torch.trace.tracing import Traced, path_of

State = tuple[tuple[str, ...], str]
"""The layers of a state, and its name."""


@dataclass(frozen=True)
class Output:
    """One of the module's results that is an output of the graph: its name, its place among them, and its value."""

    name: str
    place: int
    value: Value


def chosen_outputs(
    builder: Builder, traced: Traced, values: Mapping[Node, Any], inputs: Inputs, chosen: Sequence[str] = ()
) -> tuple[Output, ...]:
    """Return the module's outputs: every result that is not a state; the first where all are.

    Every state is connected to the result that it becomes.

    A state that is not passed in is accepted where nn.GRU, nn.LSTM or nn.RNN returns it besides its output. A step of
    the output itself counts as a second output.

    Args:
        builder: the layers of the module.
        traced: the module and its operations.
        values: the value of each of them.
        inputs: its arguments.
        chosen: the names of the results to take; empty for all.

    Raises:
        NeedsDelayError: a layer's state does not become its result.
        UsageError: a name is chosen that no result has.
        UnsupportedError: an output is not computed by a layer, or no result becomes a state.
    """
    nodes = traced.outputs
    results, names = [values[node] for node in nodes], traced.names
    for name in chosen:
        if name not in names:
            raise UsageError(f"the module returns no '{name}'; {misspelt(name, list(names))}")
    _check_order(builder, inputs, names, results)
    for position, (node, place) in enumerate(zip(inputs.nodes(traced)[1], inputs.feedback, strict=True)):
        _connect(builder, inputs, node, values[node], position, results[place])
    beside = [i for i in range(1, len(results)) if i not in inputs.feedback and not _is_returned(nodes[i])]
    own = beside if beside and 0 in inputs.feedback else [0, *beside]
    places = [names.index(name) for name in chosen] if chosen else own
    outputs = tuple(Output(names[i], i, _output(builder, i, nodes, results)) for i in places)
    for output in outputs:
        _check_time(builder, output.value)
    strides = {output.name: output.value.every for output in outputs}
    if len(set(strides.values())) > 1:
        text = ", ".join(f"'{name}' every {stride} frames" for name, stride in strides.items())
        raise UnsupportedError(f"its results come at different times, {text}; choose some with outputs=")
    latest = max(output.value.delay for output in outputs)
    return tuple(
        replace(output, value=shifted(builder, output.value, latest - output.value.delay)) for output in outputs
    )


def joined(builder: Builder, outputs: Sequence[Output]) -> Value:
    """Return the outputs side by side, as the value of one layer; one output as it is."""
    if len(outputs) == 1:
        return outputs[0].value
    taken, name = {layer.name for layer in builder.layers}, "outputs"
    while name in taken:
        name = f"{name}_"
    builder.layers.append(Layer(name, Concat(), tuple(output.value.layer for output in outputs)))
    width = sum(output.value.width for output in outputs)
    builder.every[name] = outputs[0].value.every
    first = min((output.value for output in outputs), key=lambda value: value.lead)
    return replace(first, layer=name, shape=(1, width), time=None)


def _output(builder: Builder, i: int, nodes: Sequence[Node], results: Sequence[Any]) -> Value:
    """Return a result as the value of a layer."""
    result = results[i] if results else None
    if isinstance(result, Counted):
        builder.node = nodes[i]
        raise builder.refuse(GROWS)
    if isinstance(result, Stack | Carried | Incoming):
        result = frame(builder, result).at(tuple(nodes[i].meta["val"].shape), None)
    if isinstance(result, Value) and result.layer != INPUT:
        return result
    if i == 0:
        raise UnsupportedError("the module's first output is not computed by a layer; return the scores first")
    raise UnsupportedError(
        f"{_named(i, nodes[i], result)}, and is not computed by a layer; choose the others with outputs=, or remove it"
    )


def _connect(builder: Builder, inputs: Inputs, node: Node, state: Any, position: int, result: Any) -> None:
    """Feed a result back into a state of the caller's."""
    if isinstance(state, Value):
        if not isinstance(result, Flowing):
            raise UnsupportedError(
                f"nothing feeds state '{inputs.states[position]}' back: its result is a constant; return the state "
                "after the step"
            )
        builder.feed_back(state.layer, frame(builder, result).layer)
        return
    if position not in builder.fed and not node.users:
        return
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    if builder.fed.get(position) is None or _state_of(result, stateful) != builder.fed[position]:
        raise NeedsDelayError(position)
    layers, own = builder.fed[position]
    for layer, initial in zip(layers, inputs.before[position].reshape(len(layers), -1), strict=True):
        if torch.count_nonzero(initial):
            builder.initial_state[f"{layer}.{own}"] = weight(initial)


def _check_order(builder: Builder, inputs: Inputs, names: Sequence[str], results: Sequence[Any]) -> None:
    """Refuse to feed one layer's state with another's by order alone: the results may be in another order."""
    stateful = {layer.name for layer in builder.layers if "h" in getattr(layer.cell, "states", {})}
    states = [_state_of(result, stateful) for result in results]
    for position, (name, place) in enumerate(zip(inputs.states, inputs.feedback, strict=True)):
        own, other = builder.fed.get(position), states[place]
        if name in inputs.stated or own is None or other in {None, own} or other not in builder.fed.values():
            continue
        better = next((names[j] for j, state in enumerate(states) if state == own and j not in {0, place}), None)
        if better is not None:
            raise UnsupportedError(
                f"argument '{name}' is state '{own[1]}' of layer '{own[0][0]}', and the result in its place, "
                f"'{names[place]}', is state '{other[1]}' of layer '{other[0][0]}'; say which feeds it: "
                f"states={{'{name}': '{better}'}} or states={{'{name}': '{names[place]}'}}"
            )


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
    longer = max(builder.surplus(output), output.lead)
    if longer:
        raise UnsupportedError(
            f"the output is {longer} frames longer than the input; cut off what padding added: x[:, :, :-padding]"
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
