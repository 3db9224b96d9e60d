"""Layers that carry state: nn.RNN, nn.GRU, nn.LSTM, their cell classes, and modules with `edgernn_cell`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from edgernn.cells import Gru, Lstm, Rnn
from edgernn_export.sources.torch.layers.builder import Builder, op_of, weight
from edgernn_export.sources.torch.layers.value import Carried, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.operations.delayed import LOST, delayed
from edgernn_export.sources.torch.operations.pointwise import frame
from edgernn_export.sources.torch.operations.shapes import last_step
from edgernn_export.sources.torch.operations.sweeps import over_parts, swept
from edgernn_export.sources.torch.operations.weighted import optional
from edgernn_export.sources.torch.trace.leaves import cell_of, is_leaf
from edgernn_export.sources.torch.trace.tracing import path_of

Weights = Sequence[Any]


def _rnn(kind: str) -> Callable[[Weights], Rnn]:
    return lambda p: Rnn(weight(p[0]), weight(p[1]), _sum(*p[2:4]), kind)


@dataclass(frozen=True)
class RecurrentOperation:
    """A recurrent operation of torch: the function from its weights (w, u, both biases) to a cell, and its states."""

    cell: Callable[[Weights], Any]
    states: tuple[str, ...]


def _sum(b: torch.Tensor | None = None, c: torch.Tensor | None = None) -> Any:
    return None if b is None or c is None else weight(b + c)


def _gru(p: Weights) -> Gru:
    return Gru(weight(p[0]), weight(p[1]), *map(optional, p[2:4]))


def _lstm(p: Weights) -> Lstm:
    projection = p[-1] if len(p) in {3, 5} else None
    return Lstm(weight(p[0]), weight(p[1]), _sum(*p[2:4]) if len(p) >= 4 else None, optional(projection))


RECURRENT_OPERATIONS = {
    "gru": RecurrentOperation(_gru, ("h",)),
    "lstm": RecurrentOperation(_lstm, ("h", "c")),
    "rnn_tanh": RecurrentOperation(_rnn("tanh"), ("h",)),
    "rnn_relu": RecurrentOperation(_rnn("relu"), ("h",)),
}


def axis_of(node: Node) -> int | None:
    """Return the axis of its operand that a recurrent operation runs over; None for any other operation."""
    if not is_leaf(node) and op_of(node) not in RECURRENT_OPERATIONS:
        return None
    operand: Any = node.args[0]
    rank = operand.meta["val"].dim()
    if is_leaf(node):
        return int(rank) - 2
    return 1 if node.args[-1] and rank == 3 else 0


def sequence(
    b: Builder, x: Flowing, hx: Any, weights: Weights, biases: bool, layers: int, dropout: float, train: bool,
    bidirectional: bool, batch_first: bool,
) -> tuple[Flowing, ...]:  # fmt: skip
    """Convert nn.RNN, nn.GRU or nn.LSTM: one graph layer for each layer of the stack."""
    del biases, dropout, train, batch_first
    before, kind = list(hx) if isinstance(hx, list | tuple) else [hx], RECURRENT_OPERATIONS[op_of(b.node)]
    if over_parts(b, x):
        return swept(b, frame(b, x), [kind.cell(each) for each in _each(weights, layers * (1 + bidirectional))], before)
    value = _in_time(b, x)
    if bidirectional:
        raise b.refuse(
            "its backward direction needs frames that have not arrived; train with bidirectional=False, or convert "
            "each direction separately for an edgernn.Window, which takes whole windows and cannot stream"
        )
    out, *finals = (tuple(meta.shape) for meta in b.node.meta["val"])
    cells, names = [kind.cell(each) for each in _each(weights, layers)], []
    shared = value.width // value.shape[-1]
    if b.node in b.delayed or any(isinstance(state, Value | Stack | Carried) for state in before):
        return delayed(b, value, cells, before, out, finals)
    for i, cell in enumerate(cells):
        names.append(b.add(cell, [value], f"_l{i}" if layers > 1 else "", shared, begins=-value.lead))
        b.operations[names[-1]] = b.node
        value = value.of(names[-1]).at(out, value.time)
    _set_initial_state(b, kind.states, names, before, value.time is None)
    taken = any(user.args[1] == 1 and user.users for user in b.node.users)
    if len(cells) > 1 and value.delay and taken:
        raise b.refuse(
            "its input is late, and the final states of several layers are read; take the last step of its output"
        )
    last = last_step(b, value) if taken else value
    stack = Stack(tuple(last.of(name).at(finals[0][1:], None) for name in names), finals[0])
    states = zip(kind.states[1:], finals[1:], strict=True)
    return value, stack, *(Carried(tuple(names), state, shape) for state, shape in states)


def one_step(b: Builder, x: Flowing, hx: Any, *weights: Any) -> Any:
    """Convert nn.RNNCell, nn.GRUCell or nn.LSTMCell, whose states the caller passes in."""
    name, kind = op_of(b.node).removesuffix("_cell"), RECURRENT_OPERATIONS[op_of(b.node).removesuffix("_cell")]
    _check_loop(b)
    states = list(hx) if isinstance(hx, list | tuple) else [hx]
    cell, value = kind.cell([w for w in weights if w is not None]), frame(b, x)
    shapes = [tuple(meta.shape) for meta in (b.node.meta["val"] if name == "lstm" else [b.node.meta["val"]])]
    if b.node in b.delayed or not all(isinstance(state, Incoming) for state in states):
        _, *after = delayed(b, value, [cell], states, shapes[0], [(1, *shape) for shape in shapes])
        parts = [stack.values[0] for stack in after if isinstance(stack, Stack)]
        return tuple(parts) if name == "lstm" else parts[0]
    layer = b.add(cell, [value])
    b.operations[layer] = b.node
    for state, incoming in zip(kind.states, states, strict=True):
        b.feed(incoming, (layer,), state)
    output = value.of(layer).at(shapes[0], None)
    return (output, Carried((layer,), "c", shapes[1])) if name == "lstm" else output


def _check_loop(b: Builder) -> None:
    """Refuse a cell that is called again and again in one forward, with the lines that make it one step."""
    calls = [node for node in b.node.graph.nodes if node.target is b.node.target and node.args[2] is b.node.args[2]]
    if len(calls) == 1:
        return
    path, lstm = path_of(b.node), op_of(b.node) == "lstm_cell"
    width = int(b.node.meta["val"][0].shape[-1])
    state = f"(torch.zeros(1, {width}), torch.zeros(1, {width}))" if lstm else f"torch.zeros(1, {width})"
    raise b.refuse(
        "it is called in a Python loop over time; use nn.RNN, nn.GRU or nn.LSTM, or make the module one step, for "
        f"which the stream is the loop, and convert that: from_torch(module, (x[:, 0], {state})) with\n"
        "    def forward(self, frame, state):\n"
        f"        state = self.{path}(frame, state)\n"
        f"        return {'state[0]' if lstm else 'state'}, state"
    )


def leaf(b: Builder, x: Flowing, module: nn.Module) -> Value:
    """Convert a module with `edgernn_cell() -> Cell` and optional `edgernn_initial_state()`; (..., time, features)."""
    read = _in_time(b, x)
    cell = cell_of(module)
    begins = -read.lead if cell.states else 0
    layer = b.add(cell, [read], positions=read.width // read.shape[-1], begins=begins)
    value = read.of(layer).at(b.shape, read.time)
    initial_state: dict[str, torch.Tensor] = getattr(module, "edgernn_initial_state", dict)()
    b.initial_state |= {
        f"{value.layer}.{name}": weight(state) for name, state in initial_state.items() if torch.count_nonzero(state)
    }
    return value


def leaf_with_states(b: Builder, x: Flowing, module: nn.Module, before: Sequence[Any]) -> tuple[Flowing, ...]:
    """Convert a leaf whose states the caller passes in: the output, then the states after it."""
    read, cell = _in_time(b, x), cell_of(module)
    out, *finals = (tuple(meta.shape) for meta in b.node.meta["val"])
    if b.node in b.delayed or any(isinstance(state, Value | Stack | Carried) for state in before):
        value, *after = delayed(b, read, [cell], before, out, [(1, *shape) for shape in finals])
        return value, *(stack.values[0] for stack in after if isinstance(stack, Stack))
    layer = b.add(cell, [read], begins=-read.lead)
    b.operations[layer] = b.node
    _set_initial_state(b, tuple(cell.states), [layer], before, read.time is None)
    value = read.of(layer).at(out, read.time)
    last = value if value.time is None else last_step(b, value)
    return value, *(
        last.at(shape, None) if name == "h" else Carried((layer,), name, shape)
        for name, shape in zip(cell.states, finals, strict=True)
    )


def _in_time(b: Builder, x: Flowing) -> Value:
    """Return a value that a recurrent layer can take, or refuse it: the whole sequence from its first frame."""
    value, axis = frame(b, x), axis_of(b.node)
    if b.one_frame and axis is not None and value.shape[axis] == 1:
        return value
    if value.time is None or value.time != axis:
        where = "after the last step was taken" if value.time is None else f"and time is on axis {value.time}"
        raise b.refuse(
            f"it runs over axis {axis} of shape {value.shape}, {where}; check batch_first, or pass time_axis= if "
            "another axis is time"
        )
    if value.shape[-1] != value.width and b.batch:
        raise b.refuse(f"its input has shape {value.shape}; pass one sequence as the example, not a batch")
    if b.surplus(value):
        raise b.refuse(
            f"its input is {b.surplus(value)} frames longer than the sequence; cut off what padding added: "
            "x[:, :, :-padding]"
        )
    return value


def _each(weights: Weights, layers: int) -> list[Weights]:
    """Return the weights of each layer, and of each direction."""
    each = len(weights) // layers
    return [weights[i * each : (i + 1) * each] for i in range(layers)]


def _set_initial_state(
    b: Builder, own: Sequence[str], names: Sequence[str], states: Sequence[Any], one_frame: bool
) -> None:
    for name, state in zip(own, states, strict=True):
        if isinstance(state, Incoming):
            b.feed(state, tuple(names), name)
        elif isinstance(state, torch.Tensor) and one_frame:
            raise b.refuse(LOST)
        elif isinstance(state, torch.Tensor):
            for layer, initial in zip(names, state.reshape(len(names), -1), strict=True):
                if torch.count_nonzero(initial):
                    b.initial_state[f"{layer}.{name}"] = weight(initial)
        else:
            raise b.refuse("its initial state is computed from the input; use zeros or a parameter")


RECURRENT: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(RECURRENT_OPERATIONS, sequence),
    **{f"{name}_cell": one_step for name in RECURRENT_OPERATIONS},
}
"""ATen operation -> layers with state."""
