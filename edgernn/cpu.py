"""Levels of processors: what compiled code may use, and whether this machine has it."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Level:
    """A set of instructions under a name that compilers and people use.

    Attributes:
        machine: as `platform.machine()` says it.
        flags: as /proc/cpuinfo calls them.
        options: what a compiler is told.
    """

    machine: str
    flags: frozenset[str]
    options: tuple[str, ...]


_V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"})
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni"}

LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "x86-64-v4-vnni": Level("x86_64", _V4, ("-march=x86-64-v4", "-mavx512vnni")),
        "x86-64-v3": Level("x86_64", _V3, ("-march=x86-64-v3",)),
        "x86-64": Level("x86_64", frozenset(), ("-march=x86-64",)),
        "aarch64-dotprod": Level("aarch64", frozenset({"asimd", "asimddp"}), ("-march=armv8.2-a+dotprod",)),
        "aarch64": Level("aarch64", frozenset({"asimd"}), ("-march=armv8-a",)),
    }
)
"""Best first for each machine."""


def here() -> tuple[str, frozenset[str]]:
    """The machine's name and the flags of its processor."""
    said = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    lines = [line.partition(":")[2] for line in said.splitlines() if line.lower().startswith(("flags", "features"))]
    return platform.machine(), frozenset(lines[0].split() if lines else ())


def best() -> str | None:
    """The best level that this machine has; None on another kind of machine."""
    machine, flags = here()
    return next((name for name, level in LEVELS.items() if level.machine == machine and level.flags <= flags), None)


def missing(name: str) -> str:
    """Why code of this level cannot run here: "" when it can."""
    machine, flags = here()
    level = LEVELS.get(name)
    if level is None:
        return f"an unknown processor '{name}'"
    if level.machine != machine:
        return f"a machine of kind {level.machine}; this is {machine}"
    lacking = sorted(level.flags - flags)
    return f"a processor with {', '.join(lacking)}" if lacking else ""
