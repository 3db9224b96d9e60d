"""The training of a network by Lightning: batches through which the state is carried, a loss, a schedule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from edgernn.errors import TrainingError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.train.loop.batches import Batch, Batching, epoch
from edgernn.train.loop.distillation import Teacher
from edgernn.train.loop.schedules import OPTIMIZERS, PLATEAU, SCHEDULES
from edgernn.train.loop.states import CarriedStates
from edgernn.train.network.bidirectional import pooled
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network, Shape

Array = NDArray[Any]

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""A precision of the arithmetic in training -> what Lightning calls it; weights are float32 in each."""


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        epochs: passes over the data, at most.
        rate: the highest learning rate.
        optimizer: one of schedules.OPTIMIZERS.
        schedule: one of schedules.SCHEDULES, or "plateau".
        decay: weight decay.
        clip: the largest norm, or value, of a gradient; 0 for any.
        clip_by: "norm" or "value".
        noise: deviation of the noise added to frames of numbers.
        carry: the part of the batches that begin at the states that the last one ended with, and not at rest, so that a
            network trained on short clips holds on a long stream.
        validation: the part of the training sequences that is held out, to choose and to stop by; what happened last in
            a series or text, drawn at random else. With 0 the losses of every epoch are shown beside those of the test
            part, and nothing is chosen by them.
        patience: epochs without a better validation loss until training stops; 0 for never.
        precision: one of PRECISIONS; fp16 for GPUs only.
        deterministic: whether operations that are not the same twice are refused.
        seed: of everything that is drawn.
        plan: how sequences become batches.
    """

    epochs: int = 20
    rate: float = 4e-3
    optimizer: str = "adamw"
    schedule: str = "one-cycle"
    decay: float = 1e-2
    clip: float = 1.0
    clip_by: str = "norm"
    noise: float = 0.0
    carry: float = 0.0
    validation: float = 0.0
    patience: int = 0
    precision: str = "fp32"
    deterministic: bool = True
    seed: int = 0
    plan: Batching = field(default_factory=Batching)

    def __post_init__(self) -> None:
        for name, table in (
            ("optimizer", OPTIMIZERS),
            ("schedule", (*SCHEDULES, PLATEAU)),
            ("clip_by", ("norm", "value")),
            ("precision", tuple(PRECISIONS)),
        ):
            if getattr(self, name) not in table:
                raise UsageError(f"{name} is '{getattr(self, name)}'; {misspelt(str(getattr(self, name)), table)}")
        if self.epochs < 1 or not self.rate > 0:
            raise UsageError(f"{self.epochs} epochs at a rate of {self.rate} arrived; expected both above 0")
        if not 0 <= self.validation < 1:
            raise UsageError(f"validation is {self.validation}; expected a part from 0 up to, but not, 1")
        if not self.validation and (self.patience or self.schedule == PLATEAU):
            which = "patience" if self.patience else f"the schedule '{PLATEAU}'"
            raise UsageError(f"{which} goes by a validation part, and there is none; set validation = 0.1")

    def check(self, shape: Shape) -> None:
        """Refuse to train a network in pieces whose backward direction begins at the end of a whole sequence.

        Raises:
            UsageError: a state that is carried, and a bidirectional network.
        """
        if shape.bidirectional and (self.plan.tbptt or self.carry):
            raise UsageError(
                f"tbptt is {self.plan.tbptt} and carry {self.carry}, but a network of bidirectional="
                f"'{shape.bidirectional}' reads whole sequences; leave both at 0, or train in one direction"
            )


@dataclass(frozen=True)
class Part:
    """Sequences to train on or to watch.

    Attributes:
        frames: what the network reads in an epoch; drawn anew with the epoch's generator where it varies.
        targets: of each sequence.
        lengths: of each sequence, as recorded.
    """

    frames: Callable[[np.random.Generator], Sequence[Array]]
    targets: Sequence[Array]
    lengths: Sequence[int]

    @classmethod
    def fixed(cls, frames: Sequence[Array], targets: Sequence[Array]) -> "Part":
        """The same frames in every epoch."""
        return cls(lambda _: frames, targets, [len(each) for each in frames])


class Epoch(IterableDataset[Batch]):
    """The batches of one epoch, always the same for a seed and a number.

    Args:
        part: the sequences.
        plan: how they become batches.
        begin: asked when the epoch begins, for (seed, number), since a resumed training knows its number no earlier,
            and for (rank, world) of this process among those that train together.
    """

    def __init__(
        self, part: Part, plan: Batching, begin: Callable[[], tuple[tuple[int, int], tuple[int, int]]]
    ) -> None:
        self.part, self.plan, self.begin = part, plan, begin

    def __iter__(self) -> Iterator[Batch]:
        seed, place = self.begin()
        random = np.random.default_rng(seed)
        return epoch(self.part.frames(random), self.part.targets, self.plan, random, *place)


class Task(lightning.LightningModule):
    """A network with what it is trained for.

    Args:
        network: trained in place.
        kind: one of data.sequences.KINDS: a class per sequence, values at every step, the next symbol at every step.
        train: what it learns from.
        watched: what it is held against after every epoch, by name: "validation" or "test".
        training: how.
        teacher: what it learns from beside the truth.

    Raises:
        UsageError: a way of training that the network does not allow.
    """

    def __init__(
        self,
        network: Network | GraphNetwork,
        kind: str,
        train: Part,
        watched: tuple[str, Part],
        training: Training,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        training.check(network.shape)
        self.network, self.kind, self.training_options, self.teacher = network, kind, training, teacher
        self._train, self._watched = train, watched
        self._carried = CarriedStates()
        self._counts = True  # whether the batch that is trained on has an answer that counts
        self._number = 0  # of the epoch; Lightning's own is one behind when the batches of a resumed one are made
        self.history: list[dict[str, float]] = []
        self.frames = 0  # that it was trained on, in this process

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of each epoch, in an order of its own."""
        said = self.training_options
        return DataLoader(
            Epoch(self._train, said.plan, lambda: ((said.seed, self._number), self._place)), batch_size=None
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """What is watched, in the same order every time."""
        plan = self.training_options.plan
        return DataLoader(Epoch(self._watched[1], plan, lambda: ((0, 0), self._place)), batch_size=None)

    @property
    def _place(self) -> tuple[int, int]:
        """(rank, world): which of the processes that train together this is."""
        return self.trainer.global_rank, self.trainer.world_size

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        loss, _ = self.loss(batch)
        self.frames += batch.x.shape[0] * batch.x.shape[1]
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of batch {_index} in epoch {self.current_epoch} is {loss.item()}; the last checkpoint is as "
                "it was: lower the rate, or clip the gradient more"
            )
        rows = len(batch.x) if batch.asked.any() else 0
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """One update; none for a chunk without an answer that counts, since momentum and decay would move weights."""
        if self._counts:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        elif optimizer_closure is not None:  # runs the chunk, in every process
            optimizer_closure()

    def validation_step(self, batch: Batch, _index: int) -> None:
        loss, right = self.loss(batch)
        name, asked = self._watched[0], len(batch.x) if self._pools else int(batch.asked.sum())
        self.log(f"{name}_loss", loss, batch_size=asked, sync_dist=True)
        if right is not None:
            self.log(f"{name}_accuracy", right, batch_size=asked, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep what Lightning measured in the epoch."""
        self._number += 1
        self.history.append({name: round(float(value), 6) for name, value in self.trainer.callback_metrics.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What was measured so far goes with the weights."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["history"])
        self._number = len(self.history)

    def configure_optimizers(self) -> Any:
        """The optimizer; its rate is set before every update, but for a plateau."""
        said = self.training_options
        optimizer = OPTIMIZERS[said.optimizer](self.network.parameters(), said.rate, said.decay)
        if said.schedule != PLATEAU:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "validation_loss"}}

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Draw from seed, epoch and batch alone, so that a resumed training is the same training; set the rate."""
        said = self.training_options
        self._counts = batch.counts
        if not index:  # no epoch begins where another ended, nor where it was judged
            self._carried.reset()
        rank, world = self._place
        torch.manual_seed((((said.seed * 100_003) + self._number) * 1_000_003 + index) * world + rank)
        if said.schedule in SCHEDULES:
            rate = said.rate * SCHEDULES[said.schedule](self.progress(index))
            for group in self.optimizers().param_groups:  # type: ignore[union-attr]
                group["lr"] = rate

    def progress(self, index: int) -> float:
        """How much of the training is done before a batch of this epoch, 0 to 1."""
        return (self.current_epoch + min(1.0, index / self._updates)) / self.training_options.epochs

    @cached_property
    def _updates(self) -> int:
        """About how many updates an epoch has."""
        plan, lengths = self.training_options.plan, self._train.lengths
        chunks = -(-max(lengths) // plan.tbptt) if plan.tbptt else 1
        return max(1, -(-len(lengths) // plan.batch) * chunks)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The mean loss over the answers that count, and the share of right ones among them.

        Where none counts the states are carried on; the loss is 0, and so is its gradient.
        """
        said = self.training_options
        x = batch.x
        if self.training and said.noise and x.is_floating_point():
            x = x + said.noise * torch.randn_like(x)
        began = self._carried.before(batch, said.carry if self.training else None)
        scores, states = self.network.run(x, began, batch.lengths)
        self._carried.after(batch, states)
        taught = self.teacher(x, began is not None) if self.teacher is not None and self.training else None
        if not batch.asked.any():  # every process waits for a gradient of every weight from each of the others
            return torch.stack([each.sum() for each in self.network.parameters()]).sum() * 0.0, None
        if self._pools:
            answers, wanted = pooled(scores, batch.lengths), batch.target[:, 0]
        else:
            answers, wanted = scores[batch.asked], batch.target[batch.asked]
        loss = F.mse_loss(answers, wanted) if self.kind == "series" else F.cross_entropy(answers, wanted)
        if self.teacher is not None and taught is not None:
            loss = self.teacher.mixed(loss, answers, taught[batch.asked])
        return loss, None if self.kind == "series" else (answers.argmax(-1) == wanted).float().mean()

    @property
    def _pools(self) -> bool:
        """Whether the answer is one for a whole sequence, the mean of all its steps' scores."""
        return self.kind == "class" and bool(self.network.shape.bidirectional)
