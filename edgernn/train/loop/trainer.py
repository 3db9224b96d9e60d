"""Lightning's trainer as a recipe asks for it, and what it says that is no news here."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger

from edgernn.errors import MissingExtraError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.process import interrupt
from edgernn.train.loop.checkpoint import WholeFile
from edgernn.train.loop.cpu_time import Spent
from edgernn.train.loop.gradients import GradientNorms
from edgernn.train.loop.task import PRECISIONS, Training

CHECKPOINT = "last.ckpt"

DEVICES = ("auto", "cpu", "cuda")

QUIET = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
KNOWN = (
    ".*does not have many workers.*",  # the data is in memory
    ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of a name that torch deprecates
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*sync_dist=True.*",  # several processes add up what they measured
    ".*The dirpath has changed from .*",  # a run's folder may move
    ".*Experiment logs directory .* exists and is not empty.*",
)
"""Messages of Lightning that are no news here."""


@dataclass(frozen=True)
class Place:
    """What a training runs on.

    Attributes:
        device: one of DEVICES.
        devices: how many of them on each machine; each has its rows of every batch, and gradients are averaged.
        nodes: how many machines, which Lightning's own environment variables bring together.
        logger: one of LOGGERS, beside the figures that a run always keeps; "" for none.
        progress: whether a bar shows how far it is.
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    logger: str = ""
    progress: bool = False

    def __post_init__(self) -> None:
        for name, table in (("device", DEVICES), ("logger", ("", *LOGGERS))):
            if getattr(self, name) not in table:
                raise UsageError(f"{name} is '{getattr(self, name)}'; {misspelt(getattr(self, name), table)}")
        if self.devices < 1 or self.nodes < 1:
            raise UsageError(f"{self.devices} devices on {self.nodes} machines arrived; expected at least one of each")

    @property
    def accelerator(self) -> str:
        """The device that it comes to.

        Raises:
            UsageError: a GPU is asked for, and there is none.
        """
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("torch sees no GPU of CUDA here; use --accelerator cpu, or install torch for CUDA")
        return "gpu" if self.device == "cuda" or (self.device == "auto" and torch.cuda.is_available()) else "cpu"


class Interruptible(Callback):
    """Ends a training at the next batch after a signal.

    Lightning's own handler of SIGTERM talks to the other processes from inside the handler, and replaces a signal that
    is ignored: it is not used. A KeyboardInterrupt from a batch makes Lightning end its other processes too.
    """

    def on_train_start(self, *_: Any) -> None:
        interrupt.reinstall()

    def on_train_batch_start(self, *_: Any) -> None:
        interrupt.check()

    def on_validation_batch_start(self, *_: Any) -> None:
        interrupt.check()


def _csv(out: Path) -> Logger:
    return CSVLogger(out, "log", "")


def _tensorboard(out: Path) -> Logger:
    try:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(out, "tensorboard", "")
    except ModuleNotFoundError as error:
        raise MissingExtraError("tensorboardX", "report", "logging for TensorBoard") from error


LOGGERS: Mapping[str, Callable[[Path], Logger]] = MappingProxyType({"csv": _csv, "tensorboard": _tensorboard})
"""A logger of Lightning by its name -> the one that writes below a run's folder."""


def make(
    said: Training, out: Path, place: Place, more: Sequence[Callback] = ()
) -> tuple[lightning.Trainer, GradientNorms, Spent]:
    """A trainer that keeps its last checkpoint in a folder, what watches the gradient, and what counts CPU seconds.

    Args:
        said: how to train.
        out: the folder.
        place: what it runs on.
        more: what else is told of every update.

    Raises:
        UsageError: a precision or number of devices that is not there.
        MissingExtraError: the logger's package is not installed.
    """
    accelerator = place.accelerator
    if said.precision == "fp16" and accelerator == "cpu":
        raise UsageError("precision fp16 needs a GPU; use bf16 or fp32 on a CPU")
    if said.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses its own matrix products
    norms, spent = GradientNorms(), Spent()
    callbacks: list[Any] = [
        Interruptible(),
        norms,
        spent,
        *more,
        ModelCheckpoint(out, Path(CHECKPOINT).stem, save_on_train_epoch_end=True, enable_version_counter=False),
        *([EarlyStopping("validation_loss", patience=said.patience)] if said.patience else []),
        *([TQDMProgressBar(leave=True)] if place.progress else []),
    ]
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=place.devices,
        num_nodes=place.nodes,
        precision=PRECISIONS[said.precision],  # type: ignore[arg-type]
        max_epochs=said.epochs,
        callbacks=callbacks,
        plugins=[WholeFile()],
        gradient_clip_val=said.clip or None,
        gradient_clip_algorithm=said.clip_by,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=place.progress,
        logger=LOGGERS[place.logger](out) if place.logger else False,
        log_every_n_steps=1,
        deterministic=said.deterministic,
        default_root_dir=out,
    )
    return trainer, norms, spent


def fit(trainer: lightning.Trainer, task: lightning.LightningModule, checkpoint: Path | None = None) -> None:
    """Train, from a checkpoint on when one is given.

    Raises:
        TrainingError: the loss is no number.
        KeyboardInterrupt: it was interrupted.
    """
    try:
        trainer.fit(task, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # what Lightning makes of an interruption
        raise KeyboardInterrupt from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without the messages of Lightning that are no news here."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for said in KNOWN:
            warnings.filterwarnings("ignore", said)
        yield


def watched_by_a_person() -> bool:
    """Whether standard error is a terminal, on which a bar may move."""
    return sys.stderr.isatty()
