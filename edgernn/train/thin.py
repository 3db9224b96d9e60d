"""A dense layer whose matrix is a product, as a module of torch."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from edgernn.cell import tensors, with_tensors
from edgernn.cells import Dense
from edgernn.tensor import Tensor

NAMES = {"left": "w.left", "right": "w.right", "bias": "b"}
"""A parameter -> the weight of the cell for which it stands."""


class Thin(nn.Module):
    """`left @ right @ x + bias`, trained as such; `from_torch` keeps it whole.

    Args:
        cell: a linear one with a factored matrix; its weights are those to begin with.
    """

    def __init__(self, cell: Dense) -> None:
        super().__init__()
        self._cell = cell
        weights = tensors(cell)
        for name, stands in NAMES.items():
            given = weights.get(stands)
            begin = None if given is None else nn.Parameter(torch.from_numpy(given.dense(np.float32).copy()))
            self.register_parameter(name, begin)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) -> (..., outputs)."""
        return F.linear(F.linear(x, self.get_parameter("right")), self.get_parameter("left"), self._parameters["bias"])

    def weights(self) -> dict[str, str]:
        """Each parameter's name, and that of the weight of the cell for which it stands."""
        return {name: NAMES[name] for name, _ in self.named_parameters()}

    def edgernn_cell(self) -> Dense:
        """The cell with the weights as they are now."""
        now = {NAMES[name]: Tensor(each.detach().cpu().numpy()) for name, each in self.named_parameters()}
        cell: Dense = with_tensors(self._cell, now)
        return cell
