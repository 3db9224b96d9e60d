"""A small recurrent classifier of sequences, and the loop that trains it."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


class Classifier(nn.Module):
    """Standardize, a linear layer when wanted, one recurrent layer, scores at every step.

    Args:
        cell: "gru", "lstm" or "rnn".
        mean, deviation: of the training frames, each (inputs,).
        hidden: units of the recurrent layer.
        classes: scores per step.
        before: units of a linear layer with relu before it; 0 for none.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, cell: str, mean: Tensor, deviation: Tensor, hidden: int, classes: int, before: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.before = nn.Sequential(nn.Linear(len(mean), before), nn.ReLU()) if before else nn.Identity()
        self.rnn = CELLS[cell](before or len(mean), hidden, batch_first=True)
        self.scores = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time, inputs) -> (batch, time, classes)."""
        h, _ = self.rnn(self.before((x - self.mean) / self.deviation))
        scores: Tensor = self.scores(h)
        return scores

    def packed(self, x: Tensor, lengths: Tensor) -> Tensor:
        """The same for sequences of these lengths, padded on the right: no time is spent on the padding."""
        ready = self.before((x - self.mean) / self.deviation)
        h, _ = self.rnn(pack_padded_sequence(ready, lengths, batch_first=True, enforce_sorted=False))
        unpacked, _ = pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
        scores: Tensor = self.scores(unpacked)
        return scores


def fit(
    model: Classifier,
    x: Tensor,
    lengths: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    rate: float = 4e-3,
    batch: int = 64,
    noise: float = 0.0,
    seed: int = 0,
) -> Iterator[float]:
    """Train on whole sequences, every step of the last half of each asked for its label.

    Args:
        model: trained in place, and left in eval mode.
        x, lengths, labels: (sequences, time, inputs) padded on the right, (sequences,), (sequences,).
        epochs, rate, batch: passes over the data, peak of the one-cycle learning rate, sequences per update.
        noise: deviation of the noise added to a frame, in units of the frames' own deviation.
        seed: of the shuffling and the noise.

    Yields:
        After each epoch, its mean loss.
    """
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=1e-2)
    updates = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, updates)
    for _ in range(epochs):
        model.train()
        losses = []
        for rows in torch.split(torch.randperm(len(x), generator=random), batch):
            used = int(lengths[rows].max())
            frames: Any = x[rows, :used]
            if noise:
                frames = frames + noise * model.deviation * torch.randn(frames.shape, generator=random)
            loss = _late_loss(model.packed(frames, lengths[rows]), lengths[rows], labels[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        model.eval()
        yield sum(losses) / len(losses)


def _late_loss(scores: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy over the last half of each sequence."""
    t = torch.arange(scores.shape[1])
    asked = (t >= lengths[:, None] // 2) & (t < lengths[:, None])
    each = F.cross_entropy(scores.transpose(1, 2), labels[:, None].expand(-1, scores.shape[1]), reduction="none")
    return (each * asked).sum() / asked.sum()
