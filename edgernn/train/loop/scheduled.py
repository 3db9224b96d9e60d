"""A training by Lightning: the optimizer and its schedule, the seeds of batches, and the history of epochs."""

from typing import TYPE_CHECKING, Any

import lightning
import torch
from torch import nn

from edgernn.errors import TrainingError
from edgernn.train.loop.schedules import OPTIMIZERS, PLATEAU, SCHEDULES

if TYPE_CHECKING:
    from edgernn.train.loop.task import Training


class Scheduled(lightning.LightningModule):
    """A network that is trained with the optimizer and schedule of its options, and the history of its epochs.

    Args:
        network: the network; it is trained in place.
        training: the training options.
    """

    updates: int
    """The approximate number of updates of an epoch."""

    def __init__(self, network: nn.Module, training: "Training") -> None:
        super().__init__()
        self.network, self.training_options = network, training
        self.number = 0  # of the epoch; Lightning's number is one behind when a resumed epoch creates its batches
        self.history: list[dict[str, float]] = []
        self.frames = 0  # trained on in this process

    @property
    def rank_and_world(self) -> tuple[int, int]:
        """(rank, world) of this process."""
        return self.trainer.global_rank, self.trainer.world_size

    def on_train_batch_start(self, _batch: Any, index: int) -> None:
        """Seed torch from seed, epoch and batch, so that a resumed training gives the same result; set the rate."""
        options = self.training_options
        rank, world = self.rank_and_world
        torch.manual_seed((((options.seed * 100_003) + self.number) * 1_000_003 + index) * world + rank)
        if options.schedule in SCHEDULES:
            rate = options.rate * SCHEDULES[options.schedule](self.progress(index))
            for group in self.optimizers().param_groups:  # type: ignore[union-attr]
                group["lr"] = rate

    def progress(self, index: int) -> float:
        """The completed part of the training before a batch of this epoch, 0 to 1."""
        return (self.current_epoch + min(1.0, index / self.updates)) / self.training_options.epochs

    def check_finite(self, loss: torch.Tensor, index: int) -> None:
        """Refuse a loss that is not finite.

        Raises:
            TrainingError: It is not finite.
        """
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of batch {index} in epoch {self.current_epoch} is {loss.item()}; lower the rate, or clip "
                "the gradient more. The last checkpoint is kept"
            )

    def on_train_epoch_end(self) -> None:
        """Store the metrics of the epoch."""
        self.number += 1
        self.history.append({name: round(float(value), 6) for name, value in self.trainer.callback_metrics.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the history with the weights."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = list(checkpoint["history"])
        self.number = len(self.history)

    def configure_optimizers(self) -> Any:
        """The optimizer. Its rate is set before every update, except with the schedule "plateau"."""
        options = self.training_options
        optimizer = OPTIMIZERS[options.optimizer](self.network.parameters(), options.rate, options.decay)
        if options.schedule != PLATEAU:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "validation_loss"}}
