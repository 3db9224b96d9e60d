"""Where an artifact will run, as far as a target must know it."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgernn.device.board import THIS, Device, load
from edgernn.device.runtimes import NATIVE, Runtime, running
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt


@dataclass(frozen=True)
class Destination:
    """What will run the artifact.

    Attributes:
        runtime: one of edgernn.device.runtimes.RUNTIMES.
        device: the board for which compiled code is made; None for a machine like this one.
    """

    runtime: Runtime
    device: Device | None = None


def destination_of(name: str, runtime: str | None = None, device: str | os.PathLike[str] | None = None) -> Destination:
    """The destination of the artifact of this name.

    Args:
        name: its suffix is one of a target or a backend.
        runtime: the name of the runtime; None for the preferred one, or for that of the board.
        device: the board, as edgernn.device.board.load takes it; None for a machine like this one.

    Raises:
        UsageError: no runtime has the suffix, the runtime does not run files of this suffix, or there is no such board.
        UnsupportedError: the board runs no such files, or does not have this runtime.
    """
    suffix = Path(name).suffix
    choices = {each.name: each for each in running(suffix)}
    if runtime is not None and runtime not in choices:
        raise UsageError(f"'{runtime}' does not run '{name}'; {misspelt(runtime, choices)}")
    chosen = choices[runtime] if runtime is not None else next(iter(choices.values()))
    if device is None:
        return Destination(chosen)
    board = load(device)
    preferred = board.runtime(suffix)
    if runtime is None:
        chosen = preferred
    elif not board.runs(chosen) and chosen.package:
        raise UnsupportedError(
            f"board '{board.name}' has no wheel of {runtime}; it has {preferred.name} for {suffix} files"
        )
    return Destination(chosen, board if chosen is NATIVE and board.name != THIS else None)
