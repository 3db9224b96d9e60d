"""Operators that keep states in variable tensors: each is a module from (x, states before) to (y, states after).

Gates of an LSTM are separate tensors in the order i f c o; without an input gate of its own, i is 1 - f, the sigmoid
of the negative sum (K. Greff et al., arXiv:1503.04069). SVDF: P. Nakkiran et al., "Compressing deep neural networks
using a rank-constrained topology" (Interspeech 2015).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn
from torch.nn import functional

from edgernn.cells import Lstm, LstmPeephole, Rnn
from edgernn_export.sources.foreign.layers import CellLayer
from edgernn_export.sources.foreign.nodes import ADOPT
from edgernn_export.sources.tflite.call import Call
from edgernn_export.sources.tflite.operations.pointwise import activated

Constants = Sequence[Tensor | None]
"""The operands of an operator: a constant, or None for a value, a variable or none at all."""


@dataclass(frozen=True)
class Recurrent:
    """An operator with states.

    Attributes:
        build: the function from its call and constants to its module.
        states: the places of its variable tensors among its operands.
        sequence: whether it runs over a sequence, of axis 1 or 0.
    """

    build: Callable[[Call, Constants], nn.Module]
    states: tuple[int, ...]
    sequence: bool = False


class Layer(nn.Module):
    """A cell over a sequence (batch, time, inputs), (time, batch, inputs) with `time_first`, or over one frame."""

    def __init__(self, cell: CellLayer, sequence: bool, time_first: bool) -> None:
        super().__init__()
        self.cell, self.sequence, self.time_first = cell, sequence, time_first

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """x, and states (batch, width) each or none for zeros -> y, and the states after it."""
        x = x if self.sequence else x.unsqueeze(1)
        y, after = self.cell(x.transpose(0, 1) if self.time_first else x, states or None)
        y = y.transpose(0, 1) if self.time_first else y
        return (y if self.sequence else y.squeeze(1)), *(after or ())


def _lstm(sequence: bool) -> Callable[[Call, Constants], nn.Module]:
    def build(call: Call, constants: Constants) -> nn.Module:
        p = [*constants, *[None] * (24 - len(constants))]
        _check_lstm(call, p)
        coupled = p[1] is None
        w, u, b = (_joined(p[at : at + 4], coupled) for at in (1, 5, 12))
        i, f, o = p[9:12]
        i = -f if coupled and f is not None else i
        fields = {"w": w, "u": u, "b": b, "p": p[16]}
        clip = float(call.get("cellClip", 0.0))
        if f is None and not clip:
            layer = CellLayer(Lstm, **fields)
        else:
            layer = CellLayer(LstmPeephole, **fields, i=i, f=f, o=o, clip=clip)
        return Layer(layer, sequence, bool(sequence and call.get("timeMajor", False)))

    return build


def _check_lstm(call: Call, p: Sequence[Tensor | None]) -> None:
    """Refuse what the cells cannot compute."""
    if call.operator == "LSTM" and call.get("kernelType", 0):
        raise call.refuse(f"the basic kernel; expected the full one, {ADOPT}")
    if call.get("fusedActivationFunction", 0) != schema.ActivationFunctionType.TANH:
        raise call.refuse(f"activation {call.get('fusedActivationFunction', 0)}; expected tanh, {ADOPT}")
    if call.get("projClip", 0.0):
        raise call.refuse(f"a bound of the projection; expected none, {ADOPT}")
    if any(each is not None for each in p[20:24]):
        raise call.refuse(f"layer normalization within; expected none, {ADOPT}")
    if p[17] is not None and torch.count_nonzero(p[17]):
        raise call.refuse(f"a bias of the projection; expected none, {ADOPT}")
    if any(each is None or each.dim() != 2 for each in (*p[2:5], *p[6:9])) or (p[1] is None) != (p[5] is None):
        raise call.refuse(f"weights of a gate are no constants; expected matrices for i, f, c and o, {ADOPT}")


def _joined(gates: Sequence[Tensor | None], coupled: bool) -> Tensor | None:
    """Return the parts of four gates i f c o one below another."""
    i, f, c, o = gates
    if f is None or c is None or o is None:
        return None
    i = -f if coupled else i
    return torch.cat([i if i is not None else torch.zeros_like(f), f, c, o])


def _rnn(sequence: bool) -> Callable[[Call, Constants], nn.Module]:
    kinds = {schema.ActivationFunctionType.TANH: "tanh", schema.ActivationFunctionType.RELU: "relu"}

    def build(call: Call, constants: Constants) -> nn.Module:
        kind = kinds.get(call.get("fusedActivationFunction", 0))
        if kind is None:
            raise call.refuse(f"activation {call.get('fusedActivationFunction', 0)}; expected tanh or relu, {ADOPT}")
        _, w, u, b = constants[:4]
        if w is None or u is None:
            raise call.refuse(f"weights that are no constants; expected matrices, {ADOPT}")
        layer = CellLayer(Rnn, w=w, u=u, b=b, activation=kind)
        return Layer(layer, sequence, bool(sequence and call.get("timeMajor", False)))

    return build


class Svdf(nn.Module):
    """Units of a rank: each filter is a vector over the inputs times one over the last `memory` frames."""

    feature: Tensor
    time: Tensor
    bias: Tensor | None

    def __init__(self, call: Call, constants: Constants) -> None:
        super().__init__()
        _, feature, time, bias = constants[:4]
        rank = int(call.get("rank", 1))
        if feature is None or time is None or rank < 1 or len(feature) % rank or len(feature) != len(time):
            raise call.refuse(f"its weights are no constants, or do not fit rank {rank}, {ADOPT}")
        self.call, self.rank = call, rank
        self.register_buffer("feature", feature)
        self.register_buffer("time", time)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, inputs) and state (batch, filters * memory) -> y (batch, units) and the state after it."""
        filters, memory = self.time.shape
        past = state.reshape(-1, filters, memory)[:, :, 1:]
        after = torch.cat([past, functional.linear(x, self.feature).unsqueeze(-1)], -1)
        y = (after * self.time).sum(-1).reshape(-1, filters // self.rank, self.rank).sum(-1)
        y = y if self.bias is None else y + self.bias
        return activated(self.call, y), after.reshape(-1, filters * memory)


RECURRENT: Mapping[str, Recurrent] = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Recurrent(_lstm(True), (18, 19), True),
    "LSTM": Recurrent(_lstm(False), (18, 19)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Recurrent(_rnn(True), (4,), True),
    "RNN": Recurrent(_rnn(False), (4,)),
    "SVDF": Recurrent(Svdf, (4,)),
}
"""Operator -> its module and its states."""
