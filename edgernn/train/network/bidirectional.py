"""A recurrent layer that reads each sequence in both directions, and what several sequences in a batch need for it."""

import torch
from torch import nn


class Direction(nn.Module):
    """One direction of a layer, as it is exported: the recurrence, its normalization, and what it adds of its input.

    Args:
        layer: (batch, time, inputs) -> (batch, time, hidden), and its states.
        norm: of its output.
        added: which of the inputs are added to its output; None for none of them.
    """

    def __init__(self, layer: nn.Module, norm: nn.Module, added: slice | None = None) -> None:
        super().__init__()
        self.layer, self.norm, self.added = layer, norm, added

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, time, inputs) -> (batch, time, hidden), from rest."""
        y: torch.Tensor = self.norm(self.layer(x)[0])
        return y if self.added is None else x[..., self.added] + y


class Bidirectional(nn.Module):
    """Two layers over the same sequences, the second over time reversed, whose answers to each step are merged.

    Args:
        ahead, back: the two directions.
        merge: one of edgernn.model.window.MERGES.
    """

    def __init__(self, ahead: Direction, back: Direction, merge: str) -> None:
        super().__init__()
        self.ahead, self.back, self.merge = ahead, back, merge

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """(batch, time, inputs), of which the first `lengths` steps count -> (batch, time, outputs)."""
        ahead, back = self.ahead(x), turned(self.back(turned(x, lengths)), lengths)
        return torch.cat((ahead, back), -1) if self.merge == "concat" else (ahead + back) / 2


def turned(x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """(batch, time, width) with each sequence reversed within its own length, and what is behind it left in place."""
    if lengths is None:
        return x.flip(1)
    t, n = torch.arange(x.shape[1], device=x.device), lengths[:, None]
    return x.gather(1, torch.where(t < n, n - 1 - t, t)[..., None].expand(x.shape))


def pooled(scores: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(batch, time, outputs) -> (batch, outputs), the mean over the steps of each sequence."""
    inside = torch.arange(scores.shape[1], device=scores.device) < lengths[:, None]
    return torch.where(inside[..., None], scores, 0).sum(1) / lengths[:, None]
