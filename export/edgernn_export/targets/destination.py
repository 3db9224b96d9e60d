"""Where an artifact will run, as far as a target must know it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgernn.device import isa
from edgernn.device.board import THIS, Device, load
from edgernn.device.runtimes import ELSEWHERE, NATIVE, Runtime, running
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files.spelling import misspelt


@dataclass(frozen=True)
class Destination:
    """What will run the artifact.

    Attributes:
        runtime: one of edgernn.device.runtimes.RUNTIMES.
        device: the board for which compiled code is made; None for a machine like this one.
        levels: of edgernn.device.isa.LEVELS, the best first: compiled code holds a step for each; empty for the one of
            the device.
    """

    runtime: Runtime
    device: Device | None = None
    levels: tuple[str, ...] = ()


def destination_of(
    name: str,
    runtime: str | None = None,
    device: str | os.PathLike[str] | None = None,
    levels: str | Sequence[str] | None = None,
) -> Destination:
    """The destination of the artifact of this name.

    Args:
        name: its suffix is one of a target or a backend.
        runtime: the name of the runtime; None for the preferred one, or for that of the board.
        device: the board, as edgernn.device.board.load takes it; None for a machine like this one.
        levels: "all" those of the machine, or the names of some; None for the one of the machine.

    Raises:
        UsageError: no runtime has the suffix, the runtime does not run files of this suffix, or there is no such board
            or level.
        UnsupportedError: the board runs no such files, or does not have this runtime.
    """
    suffix = Path(name).suffix
    if suffix in ELSEWHERE:
        for option, value in {"runtime": runtime, "board": device, "levels": levels}.items():
            if value is not None:
                raise UsageError(f"{option} {value!r} arrived for '{name}'; a {suffix} file has none: leave it out")
        return Destination(NATIVE)
    choices = {each.name: each for each in running(suffix)}
    if runtime is not None and runtime not in choices:
        raise UsageError(f"'{runtime}' does not run '{name}'; {misspelt(runtime, choices)}")
    chosen = choices[runtime] if runtime is not None else next(iter(choices.values()))
    if device is None:
        return Destination(chosen, None, _levels(name, chosen, levels, isa.here()[0], "this machine"))
    board = load(device)
    preferred = board.runtime(suffix)
    if runtime is None:
        chosen = preferred
    elif not board.runs(chosen) and chosen.package:
        raise UnsupportedError(
            f"board '{board.name}' has no wheel of {runtime}; it has {preferred.name} for {suffix} files"
        )
    machine = isa.level(board.level).machine if board.level else isa.here()[0]
    of_board = _levels(name, chosen, levels, machine, f"board '{board.name}'")
    return Destination(chosen, board if chosen is NATIVE and board.name != THIS else None, of_board)


def runs_here(destination: Destination) -> Destination:
    """The same on this machine: with the levels, where it has one of them."""
    levels = destination.levels if destination.levels and not isa.missing(isa.joined(destination.levels)) else ()
    return replace(destination, device=None, levels=levels)


def _levels(
    name: str, runtime: Runtime, levels: str | Sequence[str] | None, machine: str, where: str
) -> tuple[str, ...]:
    """The levels that were asked for, the best first."""
    if levels is None:
        return ()
    if runtime is not NATIVE or Path(name).suffix != NATIVE.suffix:
        raise UsageError(f"levels of processors arrived for '{name}'; only a {NATIVE.suffix} file has them")
    known = isa.of_machine(machine)
    asked = known if levels == "all" else isa.split(levels) if isinstance(levels, str) else tuple(levels)
    for each in asked:
        if each not in known:
            raise UsageError(f"there is no level '{each}' of {where}, a {machine}; {misspelt(each, ('all', *known))}")
    if not asked:
        raise UsageError(f"no levels arrived for '{name}'; expected 'all', or some of {', '.join(known)}")
    return tuple(each for each in known if each in asked)
