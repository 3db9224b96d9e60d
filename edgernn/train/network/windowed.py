"""A cell over the newest frames as a torch module: the formula of one step, for all steps of a sequence at once."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from edgernn.cells import Activation, DepthwiseConv2d
from edgernn.model.tensor import Tensor
from edgernn.train.network.recurrent import Formula, State


class Windowed(Formula):
    """A cell without state, or whose state is the newest part of what it read, oldest first.

    The state before a step is therefore a window over the sequence, so every step is computed at once, as a batch, by
    the formula that is exported.

    Args:
        cell: the formula with initial weights; with a bias, where it is normalized.
        channels: of its answer, each with the same number of elements, one channel after another.
        function: of the activation; "" for none.
        norm: whether each channel of the answer is batch normalized before the activation, by S. Ioffe and C. Szegedy
            (arXiv:1502.03167). The exported cell has the normalization in its weights.
    """

    def __init__(self, cell: Any, channels: int, function: str = "", *, norm: bool = False) -> None:
        super().__init__(cell)
        self.channels = channels
        self.activation = Activation(function) if function else None
        self.norm = nn.BatchNorm1d(channels) if norm else None

    @property
    def remembers(self) -> bool:
        """Whether the cell has a state."""
        return bool(self._cell.states)

    def forward(
        self, x: torch.Tensor, state: State | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, State]:
        """(batch, steps, inputs) and the state (batch, width) -> (batch, steps, outputs) and the final state.

        Args:
            x: the sequences; of a cell that takes several frames in a step, these side by side.
            state: the part of them before x; None for zeros.
            lengths: (batch,) the steps of each, the only ones that the normalization learns from.
        """
        ops = self._ops()
        past, after = self._windows(x, state)
        y: torch.Tensor = self._cell.step(ops, x, past)[0]
        if self.norm is not None:
            y = self._normalized(y, lengths)
        if self.activation is not None:
            y = self.activation.step(ops, y, ())[0]
        return y, after

    def edgernn_cell(self) -> Any:
        """The cell with the current weights, and with the normalization in them."""
        cell = super().edgernn_cell()
        if self.norm is None:
            return cell
        running: Any = self.norm
        scale = running.weight / torch.sqrt(running.running_var + running.eps)
        bias = (self.get_parameter("b") - running.running_mean) * scale + running.bias
        weight = self.get_parameter("w")
        if isinstance(cell, DepthwiseConv2d):  # tap by tap, a number for each channel
            weight = (weight.view(-1, self.channels) * scale).flatten()
        else:
            weight = weight * scale[:, None]
        return replace(cell, w=_tensor(weight), b=_tensor(bias))

    def _windows(self, x: torch.Tensor, state: State | None) -> tuple[State, State]:
        """The state before each step (batch, time, width), and the state after the last (batch, width)."""
        if not self.remembers:
            return (), ()
        (width,) = self._cell.states.values()
        before = x.new_zeros(len(x), width) if state is None else state[0]
        windows = torch.cat((before, x.flatten(1)), 1).unfold(1, width, x.shape[-1])
        return (windows[:, :-1],), (windows[:, -1],)

    def _normalized(self, y: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        """Batch normalization of (batch, time, outputs); in training by the steps within the lengths."""
        norm: Any = self.norm
        if lengths is None:
            lengths = torch.full((len(y),), y.shape[1], device=y.device)
        inside = torch.arange(y.shape[1], device=y.device) < lengths[:, None]
        rows = y[inside].view(-1, self.channels, y.shape[-1] // self.channels)
        if self.training and rows.numel() > self.channels:
            return torch.zeros_like(y).masked_scatter(inside[..., None], norm(rows).flatten(1))
        whole = y.reshape(-1, *rows.shape[1:])
        running = norm.running_mean, norm.running_var
        return F.batch_norm(whole, *running, norm.weight, norm.bias, eps=norm.eps).view_as(y)


def _tensor(weight: torch.Tensor) -> Tensor:
    return Tensor(weight.detach().cpu().numpy())
