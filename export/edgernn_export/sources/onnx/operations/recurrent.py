"""RNN, GRU and LSTM of ONNX as torch's own layers, as cells that torch lacks, or step by step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from edgernn.cells import GruResetBefore, LstmPeephole
from edgernn_export.sources.foreign.layers import CellLayer
from edgernn_export.sources.foreign.nodes import ADOPT, NodeModule
from edgernn_export.sources.onnx.call import Call
from edgernn_export.sources.onnx.operations.ways import ACTIVATIONS, KINDS, Way, ways_of

States = tuple[Tensor, ...]


def recurrent(call: Call, constants: Sequence[Tensor | None]) -> "Recurrent":
    """Return the module of a recurrent operator.

    Args:
        call: the node.
        constants: the operands W, R, B and P.

    Raises:
        UnsupportedError: an attribute has a value that is not supported, or the weights do not fit.
    """
    kind, ways = KINDS[call.operator], ways_of(call, constants)
    plain = all(not any(arguments for _, arguments in way.activations) for way in ways)
    names = {tuple(name for name, _ in way.activations) for way in ways}
    layer = kind.operation.get(next(iter(names))) if plain and len(names) == 1 else None
    special = call.get("clip", 0.0) or call.get("input_forget", 0)
    if layer is None or special:
        return Stepwise(call, ways)
    if call.operator == "GRU" and not call.get("linear_before_reset", 0):
        return Cells(call, ways, _reset_before)
    if call.operator == "LSTM" and any(way.p is not None for way in ways):
        return Cells(call, ways, _peephole)
    return Whole(call, ways, layer, kind.order)


def _check_lengths(call: Call, x: Tensor, lengths: Any) -> None:
    steps = x.shape[1 if call.get("layout", 0) else 0]
    each = [lengths] if isinstance(lengths, int) else lengths
    if lengths is not None and any(length != steps for length in each):
        raise call.refuse(
            f"sequence_lens {each} differ from the length {steps}; a stream is one sequence without padding, {ADOPT}"
        )


class Recurrent(NodeModule, ABC):
    """A recurrent operator of ONNX: X, sequence_lens, initial_h and initial_c -> Y, Y_h and Y_c."""

    def __init__(self, call: Call, ways: Sequence[Way]) -> None:
        super().__init__(call)
        self.count, self.inputs, self.hidden = len(ways), ways[0].w.shape[-1], ways[0].r.shape[-1]
        self.kind = KINDS[call.operator]
        self.backward = [way.backward for way in ways]

    def compute(self, x: Tensor, lengths: Any = None, *initial: Tensor | None) -> tuple[Tensor, ...]:
        """X (time, batch, inputs) -> Y (time, directions, batch, hidden), and each state (directions, batch, hidden).

        With layout 1 the axis of the batch is the first of each.
        """
        _check_lengths(self.call, x, lengths)
        first = bool(self.call.get("layout", 0))
        states = [None if each is None else each.transpose(0, 1) if first else each for each in initial]
        self._check_shapes(x, states, 0 if first else 1)
        y, *after = self.sequence(x.transpose(0, 1) if first else x, self._from(x, states, 0 if first else 1))
        if not first:
            return y, *after
        return y.permute(2, 0, 1, 3), *(each.transpose(0, 1) for each in after)

    @abstractmethod
    def sequence(self, x: Tensor, states: States) -> States:
        """(time, batch, inputs) and states (directions, batch, hidden) -> Y and the states after it."""

    def _check_shapes(self, x: Tensor, states: Sequence[Tensor | None], batch: int) -> None:
        """Refuse operands of other shapes than those of the weights, by which torch would overwrite memory."""
        expected = (self.count, x.shape[batch] if x.dim() > batch else 0, self.hidden)
        if x.dim() != 3 or x.shape[2] != self.inputs or 0 in x.shape:
            raise self.call.refuse(f"X has shape {tuple(x.shape)}; expected three axes, the last {self.inputs}")
        for each in states:
            if each is not None and tuple(each.shape) != expected:
                raise self.call.refuse(f"an initial state has shape {tuple(each.shape)}; expected {expected}")

    def _from(self, x: Tensor, initial: Sequence[Tensor | None], batch: int) -> States:
        absent = [*initial, *[None] * (self.kind.states - len(initial))]
        shape = (self.count, x.shape[batch], self.hidden)
        return tuple(torch.zeros(shape, dtype=x.dtype) if each is None else each for each in absent)


class Whole(Recurrent):
    """torch.gru, torch.lstm, torch.rnn_tanh or torch.rnn_relu."""

    def __init__(self, call: Call, ways: Sequence[Way], operation: Any, order: Sequence[int]) -> None:
        super().__init__(call, ways)
        self.layer = operation
        self.biases = ways[0].b is not None
        self.names: list[str] = []
        for i, way in enumerate(ways):
            halves = () if way.b is None else way.b.chunk(2)
            for name, tensor in zip(("w", "r", "wb", "rb"), (way.w, way.r, *halves), strict=False):
                self.names.append(f"{name}{i}")
                self.register_buffer(f"{name}{i}", reordered(tensor, order))

    def sequence(self, x: Tensor, states: States) -> States:
        """See Recurrent."""
        weights = [getattr(self, name) for name in self.names]
        hx = states[0] if len(states) == 1 else list(states)
        alone = self.backward == [True]
        x = x.flip(0) if alone else x
        y, *after = self.layer(x, hx, weights, self.biases, 1, 0.0, False, self.count == 2, False)
        y = y.flip(0) if alone else y
        if self.count == 1:
            return y.unsqueeze(1), *after
        return y.reshape(*y.shape[:2], 2, self.hidden).transpose(1, 2), *after


class Cells(Recurrent):
    """A layer of each direction that is a cell which torch lacks."""

    LAYERS: ClassVar = ("cell", "cell_backward")

    def __init__(self, call: Call, ways: Sequence[Way], layer: Callable[[Way], CellLayer]) -> None:
        super().__init__(call, ways)
        for name, way in zip(self.LAYERS, ways, strict=False):
            self.add_module(name, layer(way))

    def sequence(self, x: Tensor, states: States) -> States:
        """See Recurrent."""
        x, results = x.transpose(0, 1), []
        for i, name in enumerate(self.LAYERS[: self.count]):
            own = tuple(state[i] for state in states)
            y, after = self.get_submodule(name)(x.flip(1) if self.backward[i] else x, own)
            results.append((y.flip(1) if self.backward[i] else y, *after))
        if len(results) == 1:
            y, *after = results[0]
            return y.transpose(0, 1).unsqueeze(1), *(each.unsqueeze(0) for each in after)
        ys, *after = zip(*results, strict=True)
        return torch.stack([y.transpose(0, 1) for y in ys], 1), *(torch.stack(each) for each in after)


class Stepwise(Recurrent):
    """The formulas of ONNX, one step after another: any activations, clip and input_forget."""

    def __init__(self, call: Call, ways: Sequence[Way]) -> None:
        super().__init__(call, ways)
        self.activations = [way.activations for way in ways]
        self.peeks = [way.p is not None for way in ways]
        gates = len(self.kind.order)
        for i, way in enumerate(ways):
            halves = [torch.zeros(gates * self.hidden)] * 2 if way.b is None else way.b.chunk(2)
            peephole = torch.zeros(3 * self.hidden) if way.p is None else way.p
            for name, tensor in zip("wrbcp", (way.w, way.r, *halves, peephole), strict=True):
                self.register_buffer(f"{name}{i}", tensor.clone())

    def sequence(self, x: Tensor, states: States) -> States:
        """See Recurrent."""
        results = []
        for i, backward in enumerate(self.backward):
            frames, own, outputs = list(x.unbind(0)), tuple(state[i] for state in states), []
            for frame in frames[::-1] if backward else frames:
                own = _FORMULAS[self.call.operator](self, i, frame, *own)
                outputs.append(own[0])
            results.append((torch.stack(outputs[::-1] if backward else outputs), *own))
        ys, *after = zip(*results, strict=True)
        return torch.stack(ys, 1), *(torch.stack(each) for each in after)

    def weight(self, name: str, i: int) -> tuple[Tensor, ...]:
        """Return the weights of each gate: w, r, the biases b and c of both, or p."""
        weight: Tensor = getattr(self, f"{name}{i}")
        return weight.chunk(3 if name == "p" else len(self.kind.order))

    def activation(self, i: int, place: int, x: Tensor) -> Tensor:
        """Apply one of the activations of a direction; ONNX Runtime clips all but the last of an LSTM, of its cell."""
        name, arguments = self.activations[i][place]
        clip = self.call.get("clip", 0.0) if place < 2 else 0.0
        return ACTIVATIONS[name][0](torch.clamp(x, -clip, clip) if clip else x, *arguments)


def _rnn(m: Stepwise, i: int, x: Tensor, h: Tensor) -> States:
    (w,), (r,), (b,), (c,) = (m.weight(name, i) for name in "wrbc")
    return (m.activation(i, 0, F.linear(x, w, b + c) + F.linear(h, r)),)


def _gru(m: Stepwise, i: int, x: Tensor, h: Tensor) -> States:
    w, r, b, c = (m.weight(name, i) for name in "wrbc")
    z, reset = (m.activation(i, 0, F.linear(x, w[k], b[k] + c[k]) + F.linear(h, r[k])) for k in (0, 1))
    if m.call.get("linear_before_reset", 0):
        n = m.activation(i, 1, F.linear(x, w[2], b[2]) + reset * F.linear(h, r[2], c[2]))
    else:
        n = m.activation(i, 1, F.linear(x, w[2], b[2] + c[2]) + F.linear(reset * h, r[2]))
    return (n + z * (h - n),)


def _lstm(m: Stepwise, i: int, x: Tensor, h: Tensor, cell: Tensor) -> States:
    w, r, b, c, p = (m.weight(name, i) for name in "wrbcp")
    ins, outs, forgets, news = (F.linear(x, w[k], b[k] + c[k]) + F.linear(h, r[k]) for k in range(4))
    peeks = m.peeks[i]
    if peeks:
        ins, forgets = ins + p[0] * cell, forgets + p[2] * cell
    entered = m.activation(i, 0, ins)
    remembered = 1 - entered if m.call.get("input_forget", 0) else m.activation(i, 0, forgets)
    cell = remembered * cell + entered * m.activation(i, 1, news)
    shown = m.activation(i, 0, outs + p[1] * cell if peeks else outs)
    return shown * m.activation(i, 2, cell), cell


_FORMULAS: Mapping[str, Callable[..., States]] = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
"""Operator -> one step of it: module, direction, frame (batch, inputs) and states -> the states after it."""


def reordered(weight: Tensor, order: Sequence[int]) -> Tensor:
    """Return weights with their gates in another order."""
    gates = weight.chunk(len(order))
    return torch.cat([gates[i] for i in order])


def _bias(way: Way, order: Sequence[int]) -> Tensor | None:
    """Return the sum of both biases."""
    if way.b is None:
        return None
    one, other = way.b.chunk(2)
    return reordered(one + other, order)


def _reset_before(way: Way) -> CellLayer:
    """Return a GRU that resets the state before its product: gates r, z, n of the cell."""
    order = KINDS["GRU"].order
    w, r, width = reordered(way.w, order), reordered(way.r, order), way.r.shape[1]
    return CellLayer(GruResetBefore, w=w, u=r[: 2 * width], v=r[2 * width :], b=_bias(way, order))


def _peephole(way: Way) -> CellLayer:
    """Return an LSTM with peepholes: gates i, f, g, o of the cell; P is in the order i, o, f."""
    order = KINDS["LSTM"].order
    i, o, f = (torch.zeros(3 * way.r.shape[1]) if way.p is None else way.p).chunk(3)
    return CellLayer(
        LstmPeephole, w=reordered(way.w, order), u=reordered(way.r, order), b=_bias(way, order), i=i, f=f, o=o
    )
