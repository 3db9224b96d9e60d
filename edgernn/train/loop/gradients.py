"""Monitor the gradient: its norm in every epoch, and warnings if it vanishes or explodes."""

import logging
from statistics import median
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

VANISHED = 1e-4  # part of the gradient norm of the head
EXPLODED = 100.0  # norm, for a loss that begins near 1, such as a cross entropy or an error of standard scores

log = logging.getLogger("edgernn.train")


class GradientNorms(Callback):
    """Norms before clipping, logged with the other metrics of an epoch; see R. Pascanu et al. (arXiv:1211.5063).

    The gradient has vanished if its median norm in the first recurrent layer is below VANISHED times that in the head.
    It has exploded if the largest norm of an epoch is above EXPLODED.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._begin()

    def on_train_epoch_start(self, _trainer: lightning.Trainer, _module: lightning.LightningModule) -> None:
        self._begin()

    def on_before_optimizer_step(
        self, _trainer: lightning.Trainer, module: Any, _optimizer: torch.optim.Optimizer
    ) -> None:
        """Measure the norms of one update."""
        network = module.network
        for norms, part in ((self._all, network), (self._first, network.layers[0]), (self._head, network.head)):
            norms.append(_norm(part))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Log the median and the largest norm, and warn if the gradient vanished or exploded."""
        if not self._all:
            return
        middle, largest = median(self._all), max(self._all)
        module.log_dict({"gradient_norm": middle, "gradient_norm_max": largest}, sync_dist=True)
        if largest > EXPLODED:
            self._warn(
                f"epoch {trainer.current_epoch}: the gradient exploded; its largest norm is {largest:.3g}, its median "
                f"{middle:.3g}. Try a smaller training.clip or rate, or a cell with layer normalization"
            )
        if median(self._first) < VANISHED * median(self._head):
            self._warn(
                f"epoch {trainer.current_epoch}: the gradient vanishes; its median norm is "
                f"{median(self._first):.3g} in the first recurrent layer and {median(self._head):.3g} in the head. "
                "Try a gated cell, residual layers, norm, or a shorter training.tbptt"
            )

    def state_dict(self) -> dict[str, Any]:
        return {"notes": list(self.notes)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.notes = list(state["notes"])

    def _begin(self) -> None:
        self._all: list[float] = []
        self._first: list[float] = []
        self._head: list[float] = []

    def _warn(self, note: str) -> None:
        self.notes.append(note)
        log.warning(note)


def _norm(part: nn.Module) -> float:
    gradients = [each.grad.detach() for each in part.parameters() if each.grad is not None]
    return float(nn.utils.get_total_norm(gradients)) if gradients else 0.0
