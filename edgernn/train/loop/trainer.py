"""Lightning's trainer for the training options of a recipe."""

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
from edgernn.train.loop.checkpoint import AtomicCheckpoint
from edgernn.train.loop.cpu_time import CpuTime
from edgernn.train.loop.gradients import GradientNorms
from edgernn.train.loop.task import PRECISIONS, Training

CHECKPOINT = "last.ckpt"

ACCELERATORS = ("auto", "cpu", "cuda")

QUIET_LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
IGNORED_WARNINGS = (
    ".*does not have many workers.*",  # the data is in memory
    ".*isinstance.treespec, LeafSpec.*",  # Lightning's own use of a name that torch deprecates
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*sync_dist=True.*",  # several processes add up what they measured
    ".*The dirpath has changed from .*",  # a run's folder may move
    ".*Experiment logs directory .* exists and is not empty.*",
)
"""Warnings of Lightning that do not apply here."""


@dataclass(frozen=True)
class Accelerator:
    """Where a training runs, and how it reports its progress.

    Attributes:
        kind: one of ACCELERATORS.
        devices: the number of devices on each machine. Each has its rows of every batch; gradients are averaged.
        nodes: the number of machines, connected by Lightning's environment variables.
        logger: one of LOGGERS, in addition to the history that a run always keeps; "" for none.
        progress_bar: whether to show a progress_bar bar.
    """

    kind: str = "auto"
    devices: int = 1
    nodes: int = 1
    logger: str = ""
    progress_bar: bool = False

    def __post_init__(self) -> None:
        for name, table in (("kind", ACCELERATORS), ("logger", ("", *LOGGERS))):
            if getattr(self, name) not in table:
                what = "accelerator" if name == "kind" else name
                raise UsageError(f"{what} is '{getattr(self, name)}'; {misspelt(getattr(self, name), table)}")
        if self.devices < 1 or self.nodes < 1:
            raise UsageError(f"devices is {self.devices} and nodes {self.nodes}; expected at least 1 of each")

    @property
    def resolved(self) -> str:
        """The accelerator as Lightning names it: "gpu" or "cpu".

        Raises:
            UsageError: The kind is "cuda", and no GPU is available.
        """
        if self.kind == "cuda" and not torch.cuda.is_available():
            raise UsageError("torch finds no CUDA GPU; use --accelerator cpu, or install torch for CUDA")
        return "gpu" if self.kind == "cuda" or (self.kind == "auto" and torch.cuda.is_available()) else "cpu"


class Interruptible(Callback):
    """Stops a training at the next batch after a signal.

    Lightning's own handler of SIGTERM is not used: it communicates with the other processes inside the handler, and
    replaces the handler of an ignored signal. A KeyboardInterrupt from a batch ends Lightning's other processes too.
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
"""Name -> a logger of Lightning that writes below the folder of a run."""


def make_trainer(
    training: Training, out: Path, accelerator: Accelerator, callbacks: Sequence[Callback] = ()
) -> tuple[lightning.Trainer, GradientNorms, CpuTime]:
    """Make a trainer that keeps its last checkpoint in a folder, with its gradient monitor and its CPU clock.

    Args:
        training: the training options.
        out: the folder.
        accelerator: where the training runs.
        callbacks: further callbacks.

    Raises:
        UsageError: The accelerator or its precision is not available.
        MissingExtraError: The package of the logger is not installed.
    """
    kind = accelerator.resolved
    if training.precision == "fp16" and kind == "cpu":
        raise UsageError("precision fp16 needs a GPU; use bf16 or fp32 on a CPU")
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch needs it for deterministic products
    norms, cpu_time = GradientNorms(), CpuTime()
    all_callbacks: list[Any] = [
        Interruptible(),
        norms,
        cpu_time,
        *callbacks,
        ModelCheckpoint(out, Path(CHECKPOINT).stem, save_on_train_epoch_end=True, enable_version_counter=False),
        *([EarlyStopping("validation_loss", patience=training.patience)] if training.patience else []),
        *([TQDMProgressBar(leave=True)] if accelerator.progress_bar else []),
    ]
    trainer = lightning.Trainer(
        accelerator=kind,
        devices=accelerator.devices,
        num_nodes=accelerator.nodes,
        precision=PRECISIONS[training.precision],  # type: ignore[arg-type]
        max_epochs=training.epochs,
        callbacks=all_callbacks,
        plugins=[AtomicCheckpoint()],
        gradient_clip_val=training.clip or None,
        gradient_clip_algorithm=training.clip_by,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=accelerator.progress_bar,
        logger=LOGGERS[accelerator.logger](out) if accelerator.logger else False,
        log_every_n_steps=1,
        deterministic=training.deterministic,
        default_root_dir=out,
    )
    return trainer, norms, cpu_time


def fit(trainer: lightning.Trainer, task: lightning.LightningModule, checkpoint: Path | None = None) -> None:
    """Train, or resume from a checkpoint.

    Raises:
        TrainingError: The loss is not finite.
        KeyboardInterrupt: The training was interrupted.
    """
    try:
        trainer.fit(task, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:  # Lightning raises it on an interruption
        raise KeyboardInterrupt from error


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the messages of Lightning that do not apply here."""
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message in IGNORED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        yield


def is_interactive() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr.isatty()
