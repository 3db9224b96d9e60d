"""Batches of sequences: padded and masked, or cut into chunks through which the state is carried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgernn.errors import UsageError

Array = NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """One update's worth.

    Attributes:
        x: (batch, time, inputs) float32, or (batch, time) int64 symbols.
        target: (batch, time, outputs) float32, or (batch, time) int64; a class per sequence is repeated.
        asked: bool (batch, time), the steps whose answer counts.
        lengths: int64 (batch,), the steps that are no padding.
        fresh: whether sequences begin, and do not go on where the last batch ended.
        counts: whether any answer counts, in the rows of whichever process. A chunk without one is run all the same,
            because the next chunk begins at the states that it ends with; it has no loss and changes no weight.
    """

    x: torch.Tensor
    target: torch.Tensor
    asked: torch.Tensor
    lengths: torch.Tensor
    fresh: bool = True
    counts: bool = True

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        x, target, asked = self.x.to(device), self.target.to(device), self.asked.to(device)
        return Batch(x, target, asked, self.lengths.to(device), self.fresh, self.counts)

    def rows(self, rank: int, world: int) -> "Batch":
        """What one of several processes trains on: every so-manieth row."""
        x, target, asked = self.x[rank::world], self.target[rank::world], self.asked[rank::world]
        return Batch(x, target, asked, self.lengths[rank::world], self.fresh, self.counts)


@dataclass(frozen=True)
class Batching:
    """How the sequences of an epoch become batches.

    Attributes:
        batch: sequences side by side.
        tbptt: steps of a chunk, through which a gradient flows; 0 for whole sequences. It flows through the chunk
            before too, where that has no answer that counts (`states.CarriedStates`).
        late: the part at the beginning of each sequence whose answers do not count.

    Raises:
        UsageError: no sequence in a batch, a negative number of steps, or a `late` that leaves no answer.
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
            raise UsageError(f"late is {self.late}; expected a part from 0 up to, but not, 1: some answers must count")


def epoch(
    frames: Sequence[Array],
    targets: Sequence[Array],
    plan: Batching,
    random: np.random.Generator,
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """Every sequence once, in an order of this generator; neighbours in a batch are padded to the longest.

    With `tbptt` a batch is a chunk, and the next batch continues its rows where it ended; every chunk comes, also one
    without an answer that counts. Of several processes each
    gets its rows of every batch, and as many batches as the others: a last batch with fewer rows than processes is left
    out.
    """
    order = random.permutation(len(frames))
    for start in range(0, len(order), plan.batch):
        rows = order[start : start + plan.batch]
        if len(rows) < world:
            continue
        whole = padded([frames[i] for i in rows], [targets[i] for i in rows], plan.late)
        steps = whole.x.shape[1]
        every = plan.tbptt or steps
        for at in range(0, steps, every):
            part = slice(at, at + every)
            asked = whole.asked[:, part]
            lengths = (whole.lengths - at).clamp(0, asked.shape[1])
            chunk = Batch(whole.x[:, part], whole.target[:, part], asked, lengths, at == 0, bool(asked.any()))
            yield chunk.rows(rank, world)


def padded(frames: Sequence[Array], targets: Sequence[Array], late: float) -> Batch:
    """Sequences side by side, zeros after the end of the shorter ones."""
    lengths = [len(each) for each in frames]
    longest, symbols = max(lengths), frames[0].dtype.kind == "i"
    x = np.zeros((len(frames), longest, *([] if symbols else frames[0].shape[1:])), np.int64 if symbols else np.float32)
    single = np.ndim(targets[0]) == 0
    shape = () if single or np.ndim(targets[0]) == 1 else targets[0].shape[1:]
    y = np.zeros((len(frames), longest, *shape), np.asarray(targets[0]).dtype)
    asked = np.zeros((len(frames), longest), bool)
    for row, (each, target, length) in enumerate(zip(frames, targets, lengths, strict=True)):
        x[row, :length] = each[:, 0] if symbols else each
        y[row, :length] = target
        asked[row, int(late * length) : length] = True
    return Batch(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(asked), torch.tensor(lengths))
