"""Recurrent layers: the gates of Keras in the order of torch, and steps of operations where torch has no such layer.

Gates of Keras: LSTM i f c o, GRU z r h; of torch: i f g o and r z n. Keras stores matrices as (inputs, gates * units).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgernn.cells import GruResetBefore
from edgernn.errors import FileError, UnsupportedError
from edgernn_export.sources.foreign.layers import CellLayer
from edgernn_export.sources.keras.layer import Layer
from edgernn_export.sources.keras.layers.activations import Function, function_of, name_of
from edgernn_export.sources.keras.layers.building import Builder, Building

GATES = {"SimpleRNNCell": 1, "GRUCell": 3, "LSTMCell": 4}
STATES = {"SimpleRNNCell": 1, "GRUCell": 1, "LSTMCell": 2}
_WHOLE: Mapping[str, Any] = {"GRUCell": torch.gru, "LSTMCell": torch.lstm}
RNN_ACTIVATIONS: Mapping[str, Any] = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


class Recurrent(nn.Module):
    """A recurrent layer over a sequence, (1, time, inputs).

    Args:
        operation: of torch: its results are the output and the final states.
        weights: w, u, and both biases, as torch takes them.
        states: how many it has.
        sequences: whether it answers with every step, or with the last.
        final: whether it returns its final states too.
    """

    def __init__(
        self, operation: Callable[..., Any], weights: Sequence[Tensor], states: int, sequences: bool, final: bool
    ) -> None:
        super().__init__()
        self.operation, self.states, self.sequences, self.final = operation, states, sequences, final
        for name, weight in zip(("w", "u", "b", "c"), weights, strict=False):
            self.register_buffer(name, weight.contiguous())
        self.names = ("w", "u", "b", "c")[: len(weights)]

    def forward(self, x: Tensor, *before: Tensor) -> Any:
        """Return the output, and the final states where asked for; `before` are the initial ones, (1, units)."""
        weights = [getattr(self, name) for name in self.names]
        units = weights[1].shape[1]
        states = [state[None] for state in before] or [
            torch.zeros(1, x.shape[0], units, dtype=x.dtype, device=x.device) for _ in range(self.states)
        ]
        taken = states[0] if self.states == 1 else states
        y, *finals = self.operation(x, taken, weights, len(weights) > 2, 1, 0.0, False, False, True)
        y = y if self.sequences else y[:, -1]
        return (y, *(state[0] for state in finals)) if self.final else y


class ResetBefore(nn.Module):
    """A GRU whose reset gate multiplies the state before the product, over a sequence."""

    def __init__(self, weights: Mapping[str, Tensor | None], sequences: bool, final: bool) -> None:
        super().__init__()
        self.cell, self.sequences, self.final = CellLayer(GruResetBefore, **weights), sequences, final

    def forward(self, x: Tensor, *before: Tensor) -> Any:
        """Return the output, and the final state where asked for; `before` is the initial one, (1, units)."""
        if x.is_meta:  # shapes alone
            y = x.new_empty((*x.shape[:-1], self.cell.weights["u"].shape[1]))
            states = [y[:, -1]]
        elif before or self.final:
            initial = before or [x.new_zeros((x.shape[0], self.cell.weights["u"].shape[1]))]
            y, states = self.cell(x, tuple(initial))
        else:
            y, states = self.cell(x)[0], []
        y = y if self.sequences else y[:, -1]
        return (y, *states) if self.final else y


class Step(nn.Module):
    """One step of a recurrent layer by operations, which keeps its states in buffers; x is (1, 1, inputs)."""

    def __init__(
        self,
        function: Callable[..., tuple[Tensor, ...]],
        weights: Mapping[str, Tensor | None],
        widths: Sequence[int],
        sequences: bool,
    ) -> None:
        super().__init__()
        self.function, self.sequences, self.names, self.count = function, sequences, tuple(weights), len(widths)
        for name, weight in weights.items():
            self.register_buffer(name, weight)
        for i, width in enumerate(widths):
            self.register_buffer(f"state{i}", torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of this frame; the states change."""
        before = [getattr(self, f"state{i}") for i in range(self.count)]
        after = self.function(x[:, 0], *before, **{name: getattr(self, name) for name in self.names})
        for state, new in zip(before, after, strict=True):
            state.copy_(new)
        return after[0][:, None] if self.sequences else after[0]


def needs_steps(layer: Layer) -> bool:
    """Whether a layer is a cell that no recurrent layer of torch computes."""
    activation = layer.config.get("activation", "tanh")
    if layer.kind == "SimpleRNNCell":
        return activation not in RNN_ACTIVATIONS
    gates = layer.config.get("recurrent_activation", "sigmoid")
    return layer.kind in GATES and (activation != "tanh" or gates != "sigmoid")


def _layer(b: Building) -> nn.Module:
    """Build SimpleRNN, GRU, LSTM or RNN."""
    if b.get("go_backwards"):
        raise b.refuse("go_backwards", "it begins with the last frame, which has not arrived; train without it")
    b.expect("time_major", False)
    sequences, final = b.get("return_sequences") is True, b.get("return_state") is True
    b.read |= {"cell"} if b.layer.kind == "RNN" else set(b.layer.config)  # the others are read for the cell
    if len(b.shape) != 3:
        raise FileError(f"'{b.file}': layer '{b.layer.name}' takes shape {b.shape}; expected (batch, time, features)")
    cell = b.child("cell", b.shapes)
    if cell.layer.kind != "StackedRNNCells":
        return _cell(cell, sequences, final)
    if final or len(b.shapes) > 1:
        raise b.refuse("return_state", "the states of several cells are nested; use a layer for each cell instead")
    cell.read |= {"cells"}
    cell.check_read()
    cells, width, places = [], b.shape[-1], list(cell.layer.children)
    for place in places:
        one = cell.child(place, [(*b.shape[:2], width)])
        cells.append(_cell(one, sequences or place != places[-1], final=False))
        width = one.sizes("units", 1)[0]
    return nn.Sequential(*cells)


def _cell(b: Building, sequences: bool, final: bool) -> nn.Module:
    """Build a cell as the layer over time that it is in."""
    kind = b.layer.kind
    if kind not in GATES:
        raise UnsupportedError(f"'{b.file}': cell '{b.layer.name}' is a {kind}; expected {', '.join(GATES)}")
    module = _built_cell(b, sequences, final)
    b.read |= {"go_backwards", "return_sequences", "return_state", "time_major", "dropout", "recurrent_dropout"}
    b.read |= {"unit_forget_bias"}  # of the initial weights alone
    b.check_read()
    return module


def _built_cell(b: Building, sequences: bool, final: bool) -> nn.Module:
    kind, units = b.layer.kind, b.sizes("units", 1)[0]
    gates = GATES[kind] * units
    after = bool(b.get("reset_after", False)) if kind == "GRUCell" else False
    kernel, recurrent = b.weight("kernel", [b.shape[-1], gates]), b.weight("recurrent_kernel", [units, gates])
    bias = None
    if b.get("use_bias", True) is not False:
        bias = b.weight("bias", [2, gates] if after else [gates])
    default = "sigmoid" if kind != "SimpleRNNCell" else "linear"
    functions = function_of(b, "activation", "tanh"), function_of(b, "recurrent_activation", default)
    if b.step:
        if final or len(b.shapes) > 1:
            raise b.refuse(
                "recurrent_activation" if kind != "SimpleRNNCell" else "activation",
                "with other activations than those of torch its states can be neither set nor returned",
            )
        formula = _FORMULAS["reset before" if kind == "GRUCell" and not after else kind](*functions)
        return _step(formula, [kernel, recurrent], bias, [units] * STATES[kind], sequences)
    if kind == "GRUCell" and not after:
        rows, inner = _ordered(kind, kernel.T, units), _ordered(kind, recurrent.T, units)
        parts = {"w": rows, "u": inner[: 2 * units], "v": inner[2 * units :]}
        return ResetBefore({**parts, "b": None if bias is None else _ordered(kind, bias, units)}, sequences, final)
    operation = _WHOLE.get(kind)
    operation = operation or RNN_ACTIVATIONS[name_of(b, "activation", "tanh")]
    weights = [_ordered(kind, each.T, units) for each in (kernel, recurrent)]
    if bias is not None:
        rows = bias if after else torch.stack([bias, torch.zeros_like(bias)])
        weights += [_ordered(kind, row, units) for row in rows]
    return Recurrent(operation, weights, STATES[kind], sequences, final)


def _ordered(kind: str, rows: Tensor, units: int) -> Tensor:
    """Return rows of gates in the order of torch."""
    if kind != "GRUCell":
        return rows
    z, r = rows[:units], rows[units : 2 * units]
    return torch.cat([r, z, rows[2 * units :]])


def _step(
    formula: Callable[..., tuple[Tensor, ...]],
    matrices: Sequence[Tensor],
    bias: Tensor | None,
    widths: Sequence[int],
    sequences: bool,
) -> Step:
    w, u = (each.T.contiguous() for each in matrices)
    rows = [] if bias is None else [row.clone() for row in bias.reshape(-1, len(w))]
    b, c, *_ = [*rows, None, None]
    return Step(formula, {"w": w, "u": u, "b": b, "c": c}, widths, sequences)


def _simple(f: Function, _: Function) -> Callable[..., tuple[Tensor, ...]]:
    def step(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor | None, c: None) -> tuple[Tensor, ...]:
        del c
        return (f(nn.functional.linear(x, w, b) + nn.functional.linear(h, u)),)

    return step


def _lstm(f: Function, s: Function) -> Callable[..., tuple[Tensor, ...]]:
    def step(x: Tensor, h: Tensor, cell: Tensor, w: Tensor, u: Tensor, b: Tensor | None, c: None) -> tuple[Tensor, ...]:
        del c
        i, forget, g, o = (nn.functional.linear(x, w, b) + nn.functional.linear(h, u)).chunk(4, -1)
        after = s(forget) * cell + s(i) * f(g)
        return s(o) * f(after), after

    return step


def _gru(after: bool) -> Callable[[Function, Function], Callable[..., tuple[Tensor, ...]]]:
    """Return the formula of a GRU whose reset gate multiplies after the product, or before it."""

    def formula(f: Function, s: Function) -> Callable[..., tuple[Tensor, ...]]:
        def step(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor | None, c: Tensor | None) -> tuple[Tensor, ...]:
            units = h.shape[-1]
            xz, xr, xh = nn.functional.linear(x, w, b).chunk(3, -1)
            hz, hr = nn.functional.linear(h, u[: 2 * units], None if c is None else c[: 2 * units]).chunk(2, -1)
            z, r = s(xz + hz), s(xr + hr)
            own = None if c is None else c[2 * units :]
            inner = nn.functional.linear(h if after else r * h, u[2 * units :], own)
            return (z * h + (1 - z) * f(xh + (r * inner if after else inner)),)

        return step

    return formula


_FORMULAS: Mapping[str, Callable[[Function, Function], Callable[..., tuple[Tensor, ...]]]] = {
    "SimpleRNNCell": _simple,
    "LSTMCell": _lstm,
    "GRUCell": _gru(after=True),
    "reset before": _gru(after=False),
}


LAYERS: Mapping[str, Builder] = dict.fromkeys(("SimpleRNN", "GRU", "LSTM", "RNN"), _layer)
"""A class -> its builder."""

CELLS = (*GATES, "StackedRNNCells")
"""Classes that are cells, which stand in an RNN alone."""
