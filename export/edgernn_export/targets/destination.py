"""Where an artifact will run, as far as a target must know it."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgernn.device.board import COMPILED, RUNTIMES, THIS, Device, load
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt

NATIVE = "native"


@dataclass(frozen=True)
class Place:
    """What will run the artifact.

    Attributes:
        runtime: the package, one of edgernn.device.board.RUNTIMES for the suffix, or "native" for compiled code.
        device: the board for which compiled code is made; None for a machine like this one.
    """

    runtime: str
    device: Device | None = None


def place(name: str, runtime: str | None = None, device: str | os.PathLike[str] | None = None) -> Place:
    """The place of the artifact of this name, whose suffix a target or a backend knows.

    Raises:
        UsageError: the runtime does not run files of this suffix, or there is no such board.
        UnsupportedError: the board runs no such files, or has not this runtime.
    """
    suffix = Path(name).suffix
    packages = (NATIVE,) if suffix in COMPILED else RUNTIMES[suffix]
    if runtime is not None and runtime not in packages:
        raise UsageError(f"'{runtime}' does not run '{name}'; {misspelt(runtime, packages)}")
    if device is None:
        return Place(runtime or packages[0])
    board = load(device)
    there = board.runtime(suffix) or NATIVE
    if runtime not in (None, NATIVE) and not board.wheels.get(str(runtime)):
        raise UnsupportedError(f"board '{board.name}' has no wheel of {runtime}; it has {there} for {suffix} files")
    return Place(runtime or there, board if suffix in COMPILED and board.name != THIS else None)
