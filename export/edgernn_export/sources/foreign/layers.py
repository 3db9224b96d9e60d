"""Recurrent layers as leaves of foreign modules: each computes the formula of a cell, on states (..., width)."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from edgernn.cells import GruResetBefore, Lstm, LstmPeephole, Rnn
from edgernn.model.tensor import Tensor as Weight

States = tuple[Tensor, ...]

Weights = Mapping[str, Any]
"""The weights of a layer, by the names of the fields of its cell."""


_ACTIVATIONS: dict[str | None, Callable[[Tensor], Tensor]] = {None: torch.tanh, "tanh": torch.tanh, "relu": torch.relu}


def _gru_reset_before(p: Weights, x: Tensor, h: Tensor) -> States:
    """See `edgernn.cells.GruResetBefore`."""
    xr, xz, xn = linear(x, p["w"], p["b"]).chunk(3, -1)
    hr, hz = linear(h, p["u"]).chunk(2, -1)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    n = _ACTIVATIONS[p["activation"]](xn + linear(r * h, p["v"]))
    return ((1 - z) * n + z * h,)


def _rnn(p: Weights, x: Tensor, h: Tensor) -> States:
    """See `edgernn.cells.Rnn`."""
    return (_ACTIVATIONS[p["activation"]](linear(x, p["w"], p["b"]) + linear(h, p["u"])),)


def _lstm(p: Weights, x: Tensor, h: Tensor, c: Tensor) -> States:
    """See `edgernn.cells.LstmPeephole`; without peepholes and bound it is `Lstm`."""
    seen = {name: 0.0 if p.get(name) is None else p[name] for name in ("i", "f", "o")}
    i, f, g, o = (linear(x, p["w"], p["b"]) + linear(h, p["u"])).chunk(4, -1)
    c = torch.sigmoid(f + seen["f"] * c) * c + torch.sigmoid(i + seen["i"] * c) * torch.tanh(g)
    c = c.clamp(-p["clip"], p["clip"]) if p.get("clip") else c
    h = torch.sigmoid(o + seen["o"] * c) * torch.tanh(c)
    return h if p["p"] is None else linear(h, p["p"]), c


FORMULAS: dict[type[Any], Callable[..., States]] = {
    GruResetBefore: _gru_reset_before,
    Lstm: _lstm,
    LstmPeephole: _lstm,
    Rnn: _rnn,
}
"""Cell -> one step of it in torch: weights, frame (..., inputs) and states -> the states; the first is the output."""


class CellLayer(nn.Module):
    """A recurrent layer over a sequence that is one cell of FORMULAS.

    Args:
        cell: its class.
        fields: a tensor for each weight of the cell, with the gates in the cell's order, None for one that is optional;
            and its settings.
    """

    def __init__(self, cell: type[Any], **fields: Tensor | str | float | None) -> None:
        super().__init__()
        self.cell = cell
        self.settings = {name: value for name, value in fields.items() if isinstance(value, str | float)}
        self.names = tuple(name for name in fields if name not in self.settings)
        for name in self.names:
            tensor = fields[name]
            self.register_buffer(f"weight_{name}", tensor.detach().clone() if isinstance(tensor, Tensor) else None)

    def edgernn_cell(self) -> Any:
        """The cell with these weights."""
        weights = {name: None if w is None else Weight(w.numpy()) for name, w in self.weights.items()}
        return self.cell(**weights, **self.settings)

    @property
    def weights(self) -> Weights:
        """The weights by field."""
        return {name: getattr(self, f"weight_{name}") for name in self.names}

    def forward(self, x: Tensor, states: States | None = None) -> tuple[Tensor, States]:
        """x (..., time, features), and states (..., width) each or zeros -> y (..., time, width), the final states."""
        if states is None:
            widths = self.edgernn_cell().states.values()
            states = tuple(x.new_zeros((*x.shape[:-2], width)) for width in widths)
        weights, outputs = {**dict.fromkeys(self.cell.__dataclass_fields__), **self.weights, **self.settings}, []
        for frame in x.unbind(-2):
            states = FORMULAS[self.cell](weights, frame, *states)
            outputs.append(states[0])
        return torch.stack(outputs, -2), states
