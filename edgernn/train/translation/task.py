"""The training of an encoder and a decoder by Lightning: batches of pairs, and the loss of each symbol."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from edgernn.array import Array
from edgernn.train.loop.scheduled import Scheduled
from edgernn.train.loop.task import Training
from edgernn.train.translation.network import PairNetwork

IGNORED = -100
"""The target of padding; `cross_entropy` does not count it."""

NEAR = 50
"""Batches that are sorted by length together, so that a batch has little padding."""


@dataclass(frozen=True)
class PairBatch:
    """The pairs of one update: int64 source (batch, time), lengths (batch,), and target (batch, 1 + steps)."""

    source: torch.Tensor
    lengths: torch.Tensor
    target: torch.Tensor

    def to(self, device: torch.device) -> "PairBatch":
        """A copy on another device."""
        return PairBatch(self.source.to(device), self.lengths.to(device), self.target.to(device))


@dataclass(frozen=True)
class PairDataset:
    """Encoded pairs: int32 symbols of each source, and of each target from START to END."""

    sources: Sequence[Array]
    targets: Sequence[Array]


class PairBatches(IterableDataset[PairBatch]):
    """The batches of one epoch, determined by a seed.

    Args:
        pairs: the data.
        size: pairs of a batch.
        begin: called when the epoch begins; returns the seed and (rank, world) of this process.
    """

    def __init__(
        self, pairs: PairDataset, size: int, begin: Callable[[], tuple[tuple[int, int], tuple[int, int]]]
    ) -> None:
        self.pairs, self.size, self.begin = pairs, size, begin

    def __iter__(self) -> Iterator[PairBatch]:
        seed, (rank, world) = self.begin()
        random = np.random.default_rng(seed)
        order = random.permutation(len(self.pairs.sources))
        batches: list[Array] = []
        for at in range(0, len(order), NEAR * self.size):
            near = sorted(order[at : at + NEAR * self.size], key=lambda k: len(self.pairs.sources[k]))
            batches += [np.array(near[k : k + self.size]) for k in range(0, len(near), self.size)]
        for k in random.permutation(len(batches)):
            if len(batches[k]) >= world:
                yield self._batch(batches[k][rank::world])

    def _batch(self, rows: Array) -> PairBatch:
        sources, targets = ([each[row] for row in rows] for each in (self.pairs.sources, self.pairs.targets))
        lengths = torch.tensor([len(each) for each in sources])
        return PairBatch(_padded(sources, 0), lengths, _padded(targets, IGNORED))


class PairTask(Scheduled):
    """A network with its pairs, loss and training options.

    Args:
        network: the network; it is trained in place.
        train: the training part.
        validation: the part that is evaluated after every epoch.
        training: the training options.
    """

    def __init__(self, network: PairNetwork, train: PairDataset, validation: PairDataset, training: Training) -> None:
        super().__init__(network, training)
        self.pairs, self.validation = train, validation
        self.updates = max(1, -(-len(train.sources) // training.batching.batch))

    def train_dataloader(self) -> DataLoader[PairBatch]:
        """The batches of each epoch, in a new order."""
        seed = self.training_options.seed
        return self._loader(self.pairs, lambda: ((seed, self.number), self.rank_and_world))

    def val_dataloader(self) -> DataLoader[PairBatch]:
        """The batches of the validation part."""
        return self._loader(self.validation, lambda: ((0, 0), self.rank_and_world))

    def _loader(
        self, pairs: PairDataset, begin: Callable[[], tuple[tuple[int, int], tuple[int, int]]]
    ) -> DataLoader[PairBatch]:
        batches = PairBatches(pairs, self.training_options.batching.batch, begin)
        return DataLoader(batches, batch_size=None)

    def training_step(self, batch: PairBatch, index: int) -> torch.Tensor:
        loss, _ = self._losses(batch)
        self.frames += batch.source.numel() + batch.target.numel()
        self.check_finite(loss, index)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.source), sync_dist=True)
        return loss

    def validation_step(self, batch: PairBatch, _index: int) -> None:
        loss, accuracy = self._losses(batch)
        for name, value in (("loss", loss), ("accuracy", accuracy)):
            self.log(f"validation_{name}", value, batch_size=len(batch.source), sync_dist=True)

    def _losses(self, batch: PairBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """The cross entropy of a symbol after those before it, and the share of those that score highest."""
        before, truth = batch.target[:, :-1].clamp(min=0), batch.target[:, 1:]
        scores = self.network(batch.source, batch.lengths, before)
        counted = truth != IGNORED
        right = (scores.argmax(-1) == truth)[counted].float().mean()
        return F.cross_entropy(scores[counted], truth[counted]), right


def _padded(rows: Sequence[Array], value: int) -> torch.Tensor:
    padded = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for row, each in zip(padded, rows, strict=True):
        row[: len(each)] = each
    return torch.from_numpy(padded)
