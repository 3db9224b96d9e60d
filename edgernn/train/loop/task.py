"""The training of a network by Lightning: batches, carried states, loss and schedule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.data import DataLoader

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt
from edgernn.train.loop.batches import Batch, Batching
from edgernn.train.loop.dataset import EpochBatches, SequenceDataset
from edgernn.train.loop.distillation import Teacher
from edgernn.train.loop.losses import Head
from edgernn.train.loop.scheduled import Scheduled
from edgernn.train.loop.schedules import OPTIMIZERS, PLATEAU, SCHEDULES
from edgernn.train.loop.sound_loss import SoundLoss
from edgernn.train.loop.states import BatchStates
from edgernn.train.network.bidirectional import pooled
from edgernn.train.network.graph_network import GraphNetwork
from edgernn.train.network.models import Network, Shape

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""A precision of training -> its name in Lightning; weights are always float32."""


@dataclass(frozen=True)
class Training:
    """The options of a training.

    Attributes:
        epochs: the largest number of passes over the data.
        rate: the highest learning rate.
        optimizer: one of schedules.OPTIMIZERS.
        schedule: one of schedules.SCHEDULES, or "plateau".
        decay: weight decay.
        clip: the largest norm or value of a gradient; 0 for no clipping.
        clip_by: "norm" or "value".
        noise: the standard deviation of the noise added to frames of numbers.
        carry: the part of the batches that begin at the final states of the last batch instead of the initial states,
            so that a network trained on short clips works on a long stream.
        validation: the part of the training sequences that is held out for model selection and early stopping: the
            last ones of a series or text, random ones otherwise. With 0 every epoch reports the losses of the test
            part, and nothing is selected by them.
        patience: epochs without a better validation loss before training stops; 0 for never.
        precision: one of PRECISIONS; fp16 needs a GPU.
        deterministic: whether nondeterministic operations are refused.
        seed: the seed of all random numbers.
        batching: how sequences are grouped into batches.
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
    batching: Batching = field(default_factory=Batching)

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
            raise UsageError(f"epochs is {self.epochs} and rate {self.rate}; expected both above 0")
        if not 0 <= self.validation < 1:
            raise UsageError(f"validation is {self.validation}; expected a part of at least 0 and below 1")
        if not self.validation and (self.patience or self.schedule == PLATEAU):
            which = "patience" if self.patience else f"the schedule '{PLATEAU}'"
            raise UsageError(f"{which} needs a validation part; set validation = 0.1")

    def check(self, shape: Shape) -> None:
        """Refuse chunks and carried states for a bidirectional network, and chunks of no whole steps.

        Raises:
            UsageError: The network is bidirectional, and tbptt or carry is set; or a step takes several frames, and
                tbptt is no multiple of them.
        """
        if self.batching.tbptt % shape.frames_per_step:
            raise UsageError(
                f"tbptt is {self.batching.tbptt}, and a step takes {shape.frames_per_step} frames by the strides of "
                "before; expected a multiple of them"
            )
        if shape.bidirectional and (self.batching.tbptt or self.carry):
            raise UsageError(
                f"tbptt is {self.batching.tbptt} and carry {self.carry}, but a network with bidirectional="
                f"'{shape.bidirectional}' needs whole sequences; set both to 0, or train in one direction"
            )


class Task(Scheduled):
    """A network with its data, loss and training options.

    Args:
        network: the network; it is trained in place.
        kind: one of data.sequences.DATA_KINDS.
        train: the training part.
        monitored: the name and the data of the part that is evaluated after every epoch: "validation" or "test".
        training: the training options.
        teacher: the teacher of a distillation; None without one.
        heads: the number of classes of each set of targets; empty for a single set.
        sound: the loss of sound; None for any other kind.

    Raises:
        UsageError: The network does not support these training options, or has other heads.
    """

    def __init__(
        self,
        network: Network | GraphNetwork,
        kind: str,
        train: SequenceDataset,
        monitored: tuple[str, SequenceDataset],
        training: Training,
        teacher: Teacher | None = None,
        heads: Mapping[str, int] = MappingProxyType({}),
        sound: SoundLoss | None = None,
    ) -> None:
        super().__init__(network, training)
        self.network: Network | GraphNetwork = network
        self._heads = Head.all_of(kind, heads, network.shape)
        if teacher is not None:
            teacher.check(network.shape)
        training.check(network.shape)
        self.kind, self.teacher, self._sound = kind, teacher, sound
        self._train, self._monitored = train, monitored
        self._states = BatchStates()
        self._counts = True  # whether a step of the current batch counts in the loss

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of each epoch, in a new order."""
        options = self.training_options
        return DataLoader(
            EpochBatches(self._train, options.batching, lambda: ((options.seed, self.number), self.rank_and_world)),
            batch_size=None,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """The batches of the monitored part, always in the same order."""
        batching = self.training_options.batching
        return DataLoader(
            EpochBatches(self._monitored[1], batching, lambda: ((0, 0), self.rank_and_world)), batch_size=None
        )

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        loss, _ = self.loss(batch)
        self.frames += batch.x.shape[0] * batch.x.shape[1]
        self.check_finite(loss, index)
        rows = len(batch.x) if batch.mask.any() else 0
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=rows, sync_dist=True)
        return loss

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """One update. A chunk that does not count has none, because momentum and decay would change the weights."""
        if self._counts:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        elif optimizer_closure is not None:  # it runs the chunk, in every process
            optimizer_closure()

    def validation_step(self, batch: Batch, _index: int) -> None:
        loss, accuracies = self.loss(batch)
        name, count = self._monitored[0], len(batch.x) if self._pools else int(batch.mask.sum())
        self.log(f"{name}_loss", loss, batch_size=count, sync_dist=True)
        for head, accuracy in accuracies.items():
            self.log("_".join(filter(None, (name, head, "accuracy"))), accuracy, batch_size=count, sync_dist=True)

    def on_train_batch_start(self, batch: Batch, index: int) -> None:
        """Begin a batch: reset the states at the first of an epoch."""
        self._counts = batch.counts
        if not index:  # an epoch never begins at the states of the last epoch or of its evaluation
            self._states.reset()
        super().on_train_batch_start(batch, index)

    @cached_property
    def updates(self) -> int:  # type: ignore[override]
        """Chunks count."""
        batching, lengths = self.training_options.batching, self._train.lengths
        chunks = -(-max(lengths) // batching.tbptt) if batching.tbptt else 1
        return max(1, -(-len(lengths) // batching.batch) * chunks)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The mean loss over the steps that count, weighted over the heads, and each head's accuracy, but for values.

        If no step counts, the states are carried; the loss and its gradient are 0.
        """
        options = self.training_options
        x = batch.x
        if self.training and options.noise and x.is_floating_point():
            x = x + options.noise * torch.randn_like(x)
        initial = self._states.before(batch, options.carry if self.training else None)
        scores, states = self.network.run(x, initial, batch.lengths)
        self._states.after(batch, states)
        teacher_scores = self.teacher(x, initial is not None) if self.teacher is not None and self.training else None
        if not batch.mask.any():  # every process needs a gradient of every weight from all others
            return torch.stack([each.sum() for each in self.network.parameters()]).sum() * 0.0, {}
        if self._sound is not None:
            return self._sound(scores, batch)
        last = slice(self.network.shape.frames_per_step - 1, None, self.network.shape.frames_per_step)
        mask, target = batch.mask[:, last], batch.target[:, last]  # of the last frame of each step
        if self._pools:
            outputs, targets = pooled(scores, batch.lengths), batch.target[:, 0]
        else:
            outputs, targets = scores[mask], target[mask]
        losses: list[torch.Tensor] = []
        accuracies: dict[str, torch.Tensor] = {}
        for head in self._heads:
            scores, truth = head.scores(outputs), head.targets(targets)
            loss = head.loss(scores, truth)
            if self.teacher is not None and teacher_scores is not None:
                loss = self.teacher.combined_loss(loss, scores, head.scores(teacher_scores[mask]))
            losses.append(head.weight * loss)
            accuracies |= {} if head.series else {head.name: head.accuracy(scores, truth)}
        return torch.stack(losses).sum(), accuracies

    @property
    def _pools(self) -> bool:
        """Whether the output is one per sequence: the mean of the scores of all steps."""
        return self.kind == "class" and bool(self.network.shape.bidirectional)
