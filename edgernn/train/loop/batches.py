"""Batches of sequences: padded and masked, or cut into chunks for truncated backpropagation through time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from edgernn.array import Array
from edgernn.errors import UsageError


@dataclass(frozen=True)
class Batch:
    """The sequences of one update.

    Attributes:
        x: (batch, time, inputs) float32, or (batch, time) int64 symbols.
        target: (batch, time, outputs) float32, or (batch, time) int64. The class of a sequence is repeated.
        mask: bool (batch, time), the steps that count in the loss.
        lengths: int64 (batch,), the number of steps without padding.
        fresh: whether sequences begin in this batch; otherwise they continue those of the last batch.
        counts: whether any step of any process counts in the loss. A chunk without such a step has no loss and changes
            no weight; it is run because the next chunk begins at its final states.
    """

    x: torch.Tensor
    target: torch.Tensor
    mask: torch.Tensor
    lengths: torch.Tensor
    fresh: bool = True
    counts: bool = True

    def to(self, device: torch.device) -> "Batch":
        """A copy on another device."""
        x, target, mask = self.x.to(device), self.target.to(device), self.mask.to(device)
        return Batch(x, target, mask, self.lengths.to(device), self.fresh, self.counts)

    def shard(self, rank: int, world: int) -> "Batch":
        """The rows of one of several processes: rank, rank + world, rank + 2 * world, ..."""
        x, target, mask = self.x[rank::world], self.target[rank::world], self.mask[rank::world]
        return Batch(x, target, mask, self.lengths[rank::world], self.fresh, self.counts)


@dataclass(frozen=True)
class Batching:
    """How the sequences of an epoch are grouped into batches.

    Attributes:
        batch: the number of sequences in a batch.
        tbptt: the number of steps of a chunk that gradients flow through; 0 for whole sequences. Gradients flow into
            the chunk before too if no step of it counts in the loss (`states.BatchStates`).
        late: the part at the beginning of each sequence that does not count in the loss.

    Raises:
        UsageError: The batch is empty, the number of steps is negative, or `late` excludes all steps.
    """

    batch: int = 64
    tbptt: int = 0
    late: float = 0.5

    def __post_init__(self) -> None:
        if self.batch < 1 or self.tbptt < 0:
            raise UsageError(
                f"batch is {self.batch} and tbptt {self.tbptt}; expected at least 1 sequence, and 0 or more steps"
            )
        if not 0 <= self.late < 1:
            raise UsageError(f"late is {self.late}; expected a part of at least 0 and below 1: some steps must count")


def epoch(
    frames: Sequence[Array],
    targets: Sequence[Array],
    batching: Batching,
    random: np.random.Generator,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """Yield every sequence once, in random order; the sequences of a batch are padded to the longest.

    With `tbptt` each batch is a chunk, and the next batch continues the same sequences. Chunks without a step that
    counts in the loss are yielded too. With several processes, each gets its rows of every batch, and all get the same
    number of batches: a last batch with fewer rows than processes is dropped.
    """
    order = random.permutation(len(frames))
    for start in range(0, len(order), batching.batch):
        rows = order[start : start + batching.batch]
        if len(rows) < world:
            continue
        batch = padded([frames[i] for i in rows], [targets[i] for i in rows], batching.late)
        steps = batch.x.shape[1]
        every = batching.tbptt or steps
        for at in range(0, steps, every):
            part = slice(at, at + every)
            mask = batch.mask[:, part]
            lengths = (batch.lengths - at).clamp(0, mask.shape[1])
            chunk = Batch(batch.x[:, part], batch.target[:, part], mask, lengths, at == 0, bool(mask.any()))
            yield chunk.shard(rank, world)


def padded(frames: Sequence[Array], targets: Sequence[Array], late: float) -> Batch:
    """A batch of whole sequences; the shorter ones are padded with zeros at the end."""
    lengths = [len(each) for each in frames]
    longest, symbols = max(lengths), frames[0].dtype.kind == "i"
    x = np.zeros((len(frames), longest, *([] if symbols else frames[0].shape[1:])), np.int64 if symbols else np.float32)
    single = np.ndim(targets[0]) == 0
    shape = () if single or np.ndim(targets[0]) == 1 else targets[0].shape[1:]
    y = np.zeros((len(frames), longest, *shape), np.asarray(targets[0]).dtype)
    mask = np.zeros((len(frames), longest), bool)
    for row, (each, target, length) in enumerate(zip(frames, targets, lengths, strict=True)):
        x[row, :length] = each[:, 0] if symbols else each
        y[row, :length] = target
        mask[row, int(late * length) : length] = True
    return Batch(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(mask), torch.tensor(lengths))
