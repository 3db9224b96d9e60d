"""Checkpoints that are whole: written beside the last one and then put in its place, or not at all."""

import io
import os
import pickle
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from edgernn.errors import FileError
from edgernn.files import atomic


class WholeFile(CheckpointIO):
    """Lightning's checkpoints through edgernn.files.atomic, and read without running any code that a file may hold."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,  # noqa: ARG002  Lightning's name
    ) -> None:
        """Write a checkpoint.

        Raises:
            FileError: the disk is full, or the file cannot be written; the last checkpoint is as it was.
        """
        made = io.BytesIO()
        torch.save(checkpoint, made)
        atomic.write(path, made.getvalue())

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            FileError: it is missing, truncated or no checkpoint.
        """
        try:
            found: dict[str, Any] = torch.load(
                io.BytesIO(atomic.read(path)), map_location=map_location, weights_only=weights_only is not False
            )
        except (RuntimeError, ValueError, pickle.UnpicklingError, EOFError, KeyError) as error:
            raise FileError(f"'{path}' is no whole checkpoint: {error}; take it away, to train anew") from error
        return found

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        os.unlink(path)
