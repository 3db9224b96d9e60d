"""A cell as a torch module: without states, or as a recurrent layer over a sequence."""

from typing import Any

import numpy as np
import torch
from torch import nn

from edgernn.model.cell import tensors, with_tensors
from edgernn.model.tensor import Tensor
from edgernn.train.network.torch_ops import TorchOps

State = tuple[torch.Tensor, ...]


def parameter(name: str) -> str:
    """The name of a weight's parameter in torch, without dots."""
    return name.replace(".", "_")


class Formula(nn.Module):
    """Any cell, trained by the formula that is exported; `from_torch` converts it to the same cell.

    Args:
        cell: the formula with initial weights. They become parameters with the same names; `u.left` becomes u_left.
    """

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self._cell = cell
        for name, tensor in tensors(cell).items():
            self.register_parameter(parameter(name), nn.Parameter(torch.from_numpy(tensor.dense(np.float32).copy())))

    def edgernn_cell(self) -> Any:
        """The cell with the current weights."""
        return with_tensors(
            self._cell,
            {name: Tensor(getattr(self, parameter(name)).detach().cpu().numpy()) for name in tensors(self._cell)},
        )

    def weights(self) -> dict[str, str]:
        """The name of each parameter -> the name of its weight in the layer."""
        return {parameter(name): name for name in tensors(self._cell)}

    def _ops(self) -> TorchOps:
        return TorchOps({id(tensor): getattr(self, parameter(name)) for name, tensor in tensors(self._cell).items()})


class Stateless(Formula):
    """A cell without states."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) -> (..., outputs)."""
        y: torch.Tensor = self._cell.step(self._ops(), x, ())[0]
        return y


class Recurrent(Formula):
    """A recurrent cell over a sequence.

    Args:
        cell: see `Formula`.
        dropout: the dropout rate of the input and the first state in training, with the same units at every step of a
            sequence (Y. Gal and Z. Ghahramani, arXiv:1512.05287).
        learned: whether the initial states are parameters instead of zeros.
    """

    def __init__(self, cell: Any, *, dropout: float = 0.0, learned: bool = False) -> None:
        super().__init__(cell)
        self.dropout = dropout
        self.initial_state = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(width)) for name, width in cell.states.items()} if learned else {}
        )

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(batch, time, inputs) and initial states (batch, width) each -> (batch, time, outputs) and final states."""
        states = self.begin(x) if state is None else state
        ops = self._ops()
        mask_x, mask_h = self._mask(x[:, 0]), self._mask(states[0]) if states else None
        outputs = []
        for frame in x.unbind(1):
            masked = states if mask_h is None else (states[0] * mask_h, *states[1:])
            y, states = self._cell.step(ops, frame if mask_x is None else frame * mask_x, masked)
            outputs.append(y)
        return torch.stack(outputs, 1), tuple(states)

    def begin(self, x: torch.Tensor) -> State:
        """The initial states for a batch like x."""
        return tuple(
            self.initial_state[name].expand(len(x), -1) if name in self.initial_state else x.new_zeros(len(x), width)
            for name, width in self._cell.states.items()
        )

    def weights(self) -> dict[str, str]:
        """As `Formula.weights`, with the learned initial states."""
        return super().weights() | {f"initial_state.{state}": f"{state}.initial_state" for state in self.initial_state}

    def edgernn_initial_state(self) -> dict[str, torch.Tensor]:
        """The learned initial states, by name."""
        return dict(self.initial_state)

    def _mask(self, like: torch.Tensor) -> torch.Tensor | None:
        if not self.training or not self.dropout:
            return None
        return torch.bernoulli(torch.full_like(like, 1 - self.dropout)) / (1 - self.dropout)
