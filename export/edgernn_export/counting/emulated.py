"""The instructions of a program on a processor of another kind: qemu executes it, and a plugin of ours counts.

The difference of two runs is the steps alone: one takes the frames and makes no step. A count is what the processor
would execute; it says nothing of time.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edgernn.device import isa
from edgernn.errors import UnsupportedError
from edgernn.process import child
from edgernn_export.targets.c.compiler import Compiler, for_board, for_this_machine, shared_library


@dataclass(frozen=True)
class Processor:
    """A kind of processor: zig's name of its target, and the emulator that runs programs for it."""

    triple: str
    emulator: str


_A64, _A32 = Processor("aarch64-linux-musl", "qemu-aarch64"), Processor("arm-linux-musleabihf", "qemu-arm")
PROCESSORS: Mapping[str, Processor] = {"aarch64-dotprod": _A64, "aarch64": _A64, "armv7-neon": _A32}
"""The level of a processor -> its kind."""


def compiler(level: str) -> Compiler:
    """The compiler for a level; its programs need no library there.

    Raises:
        UnsupportedError: the emulator is not installed.
        CompilerError: ziglang is not installed.
    """
    _emulator(level)
    return for_board(level, PROCESSORS[level].triple, isa.LEVELS[level].zig)


def count(level: str, folder: Path) -> int:
    """The instructions of all steps of the program `count` in a folder.

    Raises:
        UnsupportedError: the emulator fails.
        CompilerError: no compiler for this machine is installed; the plugin is compiled by it.
    """
    plugin = folder / "plugin.so"
    source = files("edgernn_export.counting").joinpath("templates", "plugin.c").read_text()
    plugin.write_bytes(shared_library(source, for_this_machine(isa.level(isa.best()))))
    emulator = [_emulator(level), "-cpu", "max"]
    return executed([*emulator], ["./count", "steps"], plugin) - executed([*emulator], ["./count"], plugin)


def executed(emulator: list[str], program: list[str], plugin: Path) -> int:
    """The instructions that a program executes from its start to its end, in the folder of the plugin.

    Raises:
        UnsupportedError: the emulator or the program fails.
    """
    report = plugin.with_name("executed")
    report.unlink(missing_ok=True)
    call = [*emulator, "-plugin", f"{plugin},out={report}", *program]
    done = child.run(call, plugin.parent)
    if done.returncode or not report.exists():
        reason = done.stderr.strip()[-400:] or "it wrote no count"
        raise UnsupportedError(f"'{' '.join(call[:3])}' failed with code {done.returncode}: {reason}")
    return int(report.read_text())


def _emulator(level: str) -> str:
    name = PROCESSORS[level].emulator
    path = shutil.which(name)
    if path is None:
        raise UnsupportedError(
            f"instructions of {level} are counted by {name}, which is not installed: install Debian's package "
            "qemu-user (that of qemu-user-static takes no plugins)"
        )
    return path
