"""State dicts from files; pickled code is never executed."""

from pathlib import Path

import torch
from torch import nn

from edgernn.errors import FileError, MissingExtraError, UsageError
from edgernn.files import atomic


def load_weights(module: nn.Module, path: str) -> None:
    """Load a `.safetensors` or `.pt` state dict into a module; every name and shape must match."""
    suffix = Path(path).suffix
    if suffix not in _READERS:
        raise UsageError(f"no weights can be read from '{path}'; expected one of {', '.join(sorted(_READERS))}")
    atomic.read(path)  # raises the usual error for a missing file
    try:
        state = _READERS[suffix](path)
    except MissingExtraError:
        raise
    except Exception as error:  # pickle and zip files fail in many ways
        raise FileError(
            f"'{path}' holds no state dict of tensors ({_first_line(error)}); save model.state_dict()"
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FileError(
            f"'{path}' does not fit {type(module).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error


def random_example(shape: tuple[int, ...]) -> torch.Tensor:
    """Return a random sequence of this shape, always the same."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _safetensors(path: str) -> dict[str, torch.Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtraError("safetensors", "export", "a .safetensors file") from error
    state: dict[str, torch.Tensor] = load_file(path)
    return state


def _pickled(path: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_READERS = {".pt": _pickled, ".pth": _pickled, ".safetensors": _safetensors}
