"""Checkpoints that are written atomically: the last one is replaced only by a complete one."""

import io
import os
import pickle
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from edgernn.errors import FileError
from edgernn.files import atomic


class AtomicCheckpoint(CheckpointIO):
    """Lightning's checkpoints, written by edgernn.files.atomic and read without executing code from the file."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,  # noqa: ARG002  Lightning's name
    ) -> None:
        """Write a checkpoint.

        Raises:
            FileError: The disk is full, or the file cannot be written; the last checkpoint is kept.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        atomic.write(path, buffer.getvalue())

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            FileError: The file is missing, truncated or not a checkpoint.
        """
        try:
            loaded: dict[str, Any] = torch.load(
                io.BytesIO(atomic.read(path)), map_location=map_location, weights_only=weights_only is not False
            )
        except (RuntimeError, ValueError, pickle.UnpicklingError, EOFError, KeyError) as error:
            raise FileError(f"'{path}' is not a complete checkpoint: {error}; delete it to train again") from error
        return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        os.unlink(path)
