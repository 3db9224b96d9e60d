"""The instructions of a program on this machine, by callgrind."""

import re
import shutil
from pathlib import Path

from edgernn.device import isa
from edgernn.errors import UnsupportedError
from edgernn.process import child
from edgernn_export.targets.c.compiler import Compiler, for_this_machine

LEVELS = ("x86-64-v3", "x86-64")  # callgrind does not know the instructions of later ones
BEST = LEVELS[0]


def compiler(level: str) -> Compiler:
    """The compiler of this machine.

    Raises:
        UnsupportedError: valgrind is not installed, or this machine cannot run the level.
        CompilerError: no compiler is installed.
    """
    _valgrind()
    missing = isa.missing(level)
    if missing:
        raise UnsupportedError(f"instructions are counted on {level}, which needs {missing}")
    return for_this_machine(isa.level(level))


def count(_level: str, folder: Path) -> int:
    """The instructions of all steps of the program `count` in a folder.

    Raises:
        UnsupportedError: valgrind fails.
    """
    tool = ["--tool=callgrind", "--toggle-collect=model_advance", "--callgrind-out-file=out"]
    done = child.run([_valgrind(), "-q", *tool, "./count", "steps"], folder)
    report = folder / "out"
    text = report.read_text() if report.exists() else ""
    total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if done.returncode or total is None:
        raise UnsupportedError(f"callgrind failed (code {done.returncode}): {done.stderr.strip()[-400:]}")
    return int(total[1])


def _valgrind() -> str:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise UnsupportedError("instructions are counted by valgrind, which is not installed: install it")
    return valgrind
