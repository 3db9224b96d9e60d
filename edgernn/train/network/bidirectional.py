"""A bidirectional recurrent layer, for batches of sequences of different lengths."""

import torch
from torch import nn


class Direction(nn.Module):
    """One direction of a layer, as it is exported: recurrence, normalization and residual connection.

    Args:
        layer: (batch, time, inputs) -> (batch, time, hidden), and its states.
        norm: the normalization of its output.
        added: the slice of the inputs that is added to its output; None for none.
    """

    def __init__(self, layer: nn.Module, norm: nn.Module, added: slice | None = None) -> None:
        super().__init__()
        self.layer, self.norm, self.added = layer, norm, added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, inputs) -> (batch, time, hidden), from the initial states."""
        y: torch.Tensor = self.norm(self.layer(x)[0])
        return y if self.added is None else x[..., self.added] + y


class Bidirectional(nn.Module):
    """Two layers over the same sequences, the second in reversed time, with merged outputs.

    Args:
        ahead, back: the two directions.
        merge: one of edgernn.model.window.MERGES.
    """

    def __init__(self, ahead: Direction, back: Direction, merge: str) -> None:
        super().__init__()
        self.ahead, self.back, self.merge = ahead, back, merge

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, time, inputs) with sequence `lengths` (batch,) -> (batch, time, outputs)."""
        ahead, back = self.ahead(x), reversed_in_time(self.back(reversed_in_time(x, lengths)), lengths)
        return torch.cat((ahead, back), -1) if self.merge == "concat" else (ahead + back) / 2


def reversed_in_time(x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """Reverse each sequence of (batch, time, width) within its own length; the padding stays in place."""
    if lengths is None:
        return x.flip(1)
    t, n = torch.arange(x.shape[1], device=x.device), lengths[:, None]
    return x.gather(1, torch.where(t < n, n - 1 - t, t)[..., None].expand(x.shape))


def pooled(scores: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(batch, time, outputs) -> (batch, outputs), the mean over the steps of each sequence."""
    inside = torch.arange(scores.shape[1], device=scores.device) < lengths[:, None]
    return torch.where(inside[..., None], scores, 0).sum(1) / lengths[:, None]
