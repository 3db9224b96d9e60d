"""Layers that carry state: nn.RNN, nn.GRU, nn.LSTM, their cell classes, and modules that are a cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import Node

from edgernn.cells import Gru, Lstm, Rnn
from edgernn_export.sources.torch.builder import Builder, op_of, weight
from edgernn_export.sources.torch.pointwise import frame
from edgernn_export.sources.torch.tracing import cell_of, is_leaf
from edgernn_export.sources.torch.value import Carried, Flowing, Incoming, Stack, Value
from edgernn_export.sources.torch.weighted import optional

Weights = Sequence[Any]


def _rnn(kind: str) -> Callable[[Weights], Rnn]:
    return lambda p: Rnn(weight(p[0]), weight(p[1]), _sum(*p[2:4]), kind)


@dataclass(frozen=True)
class RecurrentModule:
    """How one recurrent operation of torch becomes a cell: weights in torch's order (w, u, and both biases)."""

    cell: Callable[[Weights], Any]
    states: tuple[str, ...]


def _sum(b: torch.Tensor | None = None, c: torch.Tensor | None = None) -> Any:
    return None if b is None or c is None else weight(b + c)


def _gru(p: Weights) -> Gru:
    return Gru(weight(p[0]), weight(p[1]), *map(optional, p[2:4]))


def _lstm(p: Weights) -> Lstm:
    projection = p[-1] if len(p) in {3, 5} else None
    return Lstm(weight(p[0]), weight(p[1]), _sum(*p[2:4]) if len(p) >= 4 else None, optional(projection))


KINDS = {
    "gru": RecurrentModule(_gru, ("h",)),
    "lstm": RecurrentModule(_lstm, ("h", "c")),
    "rnn_tanh": RecurrentModule(_rnn("tanh"), ("h",)),
    "rnn_relu": RecurrentModule(_rnn("relu"), ("h",)),
}


def time_axis(node: Node) -> int | None:
    """The axis of its operand that a recurrent operation runs over; None for any other operation."""
    if not is_leaf(node) and op_of(node) not in KINDS:
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
    """nn.RNN, nn.GRU or nn.LSTM: one layer each of the stack."""
    del biases, dropout, train, batch_first
    value, kind = _in_time(b, x), KINDS[op_of(b.node)]
    if bidirectional:
        raise b.refuse(
            "its backward direction reads frames that have not arrived; train with bidirectional=False, or convert "
            "each direction as a layer of its own for an edgernn.Window, which takes whole windows and cannot stream"
        )
    out, final, *_ = (tuple(meta.shape) for meta in b.node.meta["val"])
    each, names = len(weights) // layers, []
    for i in range(layers):
        cell = kind.cell(weights[i * each : (i + 1) * each])
        names.append(b.add(cell, [value], f"_l{i}" if layers > 1 else ""))
        value = Value(names[-1], out, value.time)
    _set_initial_state(b, kind, names, hx if isinstance(hx, list | tuple) else [hx])
    stack = Stack(tuple(Value(name, final[1:], None) for name in names), final)
    return value, stack, *(Carried(tuple(names), state) for state in kind.states[1:])


def one_step(b: Builder, x: Flowing, hx: Any, *weights: Any) -> Any:
    """nn.RNNCell, nn.GRUCell or nn.LSTMCell, whose states the caller passes in."""
    name, kind = op_of(b.node).removesuffix("_cell"), KINDS[op_of(b.node).removesuffix("_cell")]
    used = [node for node in b.node.graph.nodes if node.target is b.node.target and node.args[2] is b.node.args[2]]
    if len(used) > 1:
        raise b.refuse(
            "it is called in a Python loop over time; use nn.RNN, nn.GRU or nn.LSTM, or trace the cell alone"
        )
    states = hx if isinstance(hx, list | tuple) else [hx]
    if not all(isinstance(state, Incoming) for state in states):
        raise b.refuse(
            "its state is not passed in by the caller, and so would be lost after each frame; take it as an argument, "
            "return it, and give example=(frame, state)"
        )
    layer = b.add(kind.cell([w for w in weights if w is not None]), [frame(b, x)])
    for state, incoming in zip(kind.states, states, strict=True):
        b.feed(incoming, (layer,), state)
    if name != "lstm":
        return Value(layer, b.shape, None)
    return Value(layer, tuple(b.node.meta["val"][0].shape), None), Carried((layer,), "c")


def leaf(b: Builder, x: Flowing, module: nn.Module) -> Value:
    """A module with `edgernn_cell() -> Cell` and, if it has one, `edgernn_initial_state()`; (..., time, features)."""
    made = b.then(cell_of(module), _in_time(b, x))
    initial_state: dict[str, torch.Tensor] = getattr(module, "edgernn_initial_state", dict)()
    b.initial_state |= {
        f"{made.layer}.{name}": weight(state) for name, state in initial_state.items() if torch.count_nonzero(state)
    }
    return made


def _in_time(b: Builder, x: Flowing) -> Value:
    """A value that a recurrent layer may read: the whole sequence, from its first frame on."""
    value, axis = frame(b, x), time_axis(b.node)
    if value.time is None or value.time != axis:
        where = "after the last step was taken" if value.time is None else f"and time is on axis {value.time}"
        raise b.refuse(
            f"it runs over axis {axis} of shape {value.shape}, {where}: recurrence within a frame has no cell here; "
            "check batch_first, or give time_axis= if another axis is time"
        )
    if value.shape[-1] != value.width and b.batch:
        raise b.refuse(f"sequences of shape {value.shape} arrive; give one sequence as the example, not a batch")
    if value.shape[-1] != value.width:
        raise b.refuse(
            f"it is shared by {value.width // value.shape[-1]} parts of each frame, as a batch of shape {value.shape}; "
            "no layer here is: give each part a layer of its own, or all features to one"
        )
    if value.end > b.steps:
        raise b.refuse(f"it reads {value.end - b.steps} frames ahead; pad the convolution on the left only")
    if value.lead:
        raise b.refuse(f"it begins {-value.lead} frames late, after a convolution without padding; pad on the left")
    return value


def _set_initial_state(b: Builder, kind: RecurrentModule, names: Sequence[str], states: Sequence[Any]) -> None:
    for name, state in zip(kind.states, states, strict=True):
        if isinstance(state, Incoming):
            b.feed(state, tuple(names), name)
        elif isinstance(state, torch.Tensor):
            for layer, initial in zip(names, state.reshape(len(names), -1), strict=True):
                if torch.count_nonzero(initial):
                    b.initial_state[f"{layer}.{name}"] = weight(initial)
        else:
            raise b.refuse("its initial state is computed from the input; use zeros or a parameter")


RECURRENT: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(KINDS, sequence),
    **{f"{name}_cell": one_step for name in KINDS},
}
"""ATen operation -> layers with state."""
