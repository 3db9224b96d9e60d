"""The sequences of a training, and the batches of its epochs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import IterableDataset

from edgernn.array import Array
from edgernn.train.loop.batches import Batch, Batching, epoch


@dataclass(frozen=True)
class SequenceDataset:
    """Sequences to train on or to monitor.

    Attributes:
        frames: a function of the epoch's random generator that returns the inputs of the network in that epoch.
        targets: the targets of each sequence.
        lengths: the recorded length of each sequence.
    """

    frames: Callable[[np.random.Generator], Sequence[Array]]
    targets: Sequence[Array]
    lengths: Sequence[int]

    @classmethod
    def fixed(cls, frames: Sequence[Array], targets: Sequence[Array]) -> "SequenceDataset":
        """A dataset with the same frames in every epoch."""
        return cls(lambda _: frames, targets, [len(each) for each in frames])


class EpochBatches(IterableDataset[Batch]):
    """The batches of one epoch, determined by a seed and the number of the epoch.

    Args:
        dataset: the sequences.
        batching: how they are grouped into batches.
        begin: called when the epoch begins; returns (seed, number) and (rank, world) of this process. A resumed
            training does not know the number earlier.
    """

    def __init__(
        self, dataset: SequenceDataset, batching: Batching, begin: Callable[[], tuple[tuple[int, int], tuple[int, int]]]
    ) -> None:
        self.dataset, self.batching, self.begin = dataset, batching, begin

    def __iter__(self) -> Iterator[Batch]:
        seed, rank_and_world = self.begin()
        random = np.random.default_rng(seed)
        return epoch(self.dataset.frames(random), self.dataset.targets, self.batching, random, *rank_and_world)
