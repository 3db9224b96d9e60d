"""Weights and examples for modules of torch, by the torch source: the only package here that imports torch."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgernn.errors import MissingExtraError

if TYPE_CHECKING:
    import torch
    from torch import nn


def load_weights(module: "nn.Module", path: str | os.PathLike[str]) -> None:
    """Load a state dict, `.safetensors` or `.pt` (tensors only, no pickled code), into a module.

    Raises:
        UsageError: the suffix is none of these.
        FileError: the file cannot be read, or its names or shapes differ from the module's.
    """
    torch_source("weights").load_weights(module, os.fspath(path))


def random_example(shape: tuple[int, ...]) -> "torch.Tensor":
    """Return a random sequence of this shape, as an example for `from_torch`."""
    example: torch.Tensor = torch_source("weights").random_example(shape)
    return example


def torch_source(name: str) -> Any:
    """Import a module of the torch source.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        return import_module(f"edgernn_export.sources.torch.{name}")
    except ImportError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("torch", "train", "reading a torch module") from error
