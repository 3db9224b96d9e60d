"""A cell as a layer of torch: by itself, or run over a sequence with the state carried and handed back."""

from typing import Any

import numpy as np
import torch
from torch import nn

from edgernn.model.cell import tensors, with_tensors
from edgernn.model.tensor import Tensor
from edgernn.train.network.torch_ops import TorchOps

State = tuple[torch.Tensor, ...]


def parameter(name: str) -> str:
    """What torch calls the parameter of a weight: a name without dots."""
    return name.replace(".", "_")


class Formula(nn.Module):
    """Any cell, trained by the formula that it is exported with; `from_torch` keeps it whole.

    Args:
        cell: the formula, and the weights to begin with, which become parameters of the same names, `u.left` as u_left.
    """

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self._cell = cell
        for name, tensor in tensors(cell).items():
            self.register_parameter(parameter(name), nn.Parameter(torch.from_numpy(tensor.dense(np.float32).copy())))

    def edgernn_cell(self) -> Any:
        """The cell with the weights as they are now."""
        return with_tensors(
            self._cell,
            {name: Tensor(getattr(self, parameter(name)).detach().cpu().numpy()) for name in tensors(self._cell)},
        )

    def weights(self) -> dict[str, str]:
        """Each parameter's name, and that of the weight of the layer for which it stands."""
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
    """A cell over a sequence, with its states carried and handed back.

    Args:
        cell: as above.
        dropout: the part of the units that is dropped while training, the same ones at every step of a sequence
            (Y. Gal and Z. Ghahramani, arXiv:1512.05287): of the cell's input and of the state that it reads first.
        learned: whether the states begin at a parameter and not at zero.
    """

    def __init__(self, cell: Any, *, dropout: float = 0.0, learned: bool = False) -> None:
        super().__init__(cell)
        self.dropout = dropout
        self.initial_state = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(width)) for name, width in cell.states.items()} if learned else {}
        )

    def forward(self, x: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """(batch, time, inputs) and the states before, each (batch, width) -> (batch, time, outputs), states after."""
        carried = self.begin(x) if state is None else state
        ops = self._ops()
        kept_x, kept_h = self._mask(x[:, 0]), self._mask(carried[0]) if carried else None
        answers = []
        for frame in x.unbind(1):
            seen = carried if kept_h is None else (carried[0] * kept_h, *carried[1:])
            y, carried = self._cell.step(ops, frame if kept_x is None else frame * kept_x, seen)
            answers.append(y)
        return torch.stack(answers, 1), tuple(carried)

    def begin(self, x: torch.Tensor) -> State:
        """The states before the first frame, for a batch like x."""
        return tuple(
            self.initial_state[name].expand(len(x), -1) if name in self.initial_state else x.new_zeros(len(x), width)
            for name, width in self._cell.states.items()
        )

    def weights(self) -> dict[str, str]:
        """The same, and the states at which a sequence begins."""
        return super().weights() | {f"initial_state.{state}": f"{state}.initial_state" for state in self.initial_state}

    def edgernn_initial_state(self) -> dict[str, torch.Tensor]:
        """The states at which a sequence begins, when they are learned."""
        return dict(self.initial_state)

    def _mask(self, like: torch.Tensor) -> torch.Tensor | None:
        if not self.training or not self.dropout:
            return None
        return torch.bernoulli(torch.full_like(like, 1 - self.dropout)) / (1 - self.dropout)
