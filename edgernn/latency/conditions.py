"""Conditions: what the machine is, and how it does at one moment, read from the files in which its kernel tells it."""

import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from edgernn.device import isa
from edgernn.device.runtimes import packages
from edgernn.version import VERSION

ROOT = Path("/")
CPUS = "sys/devices/system/cpu"
PI = "sys/devices/platform/soc/soc:firmware/get_throttled"  # Raspberry Pi OS; elsewhere the command `vcgencmd`
QUOTAS = ("sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu/cpu.stat")

T = TypeVar("T")


@dataclass(frozen=True)
class Moment:
    """The machine at one moment; None is what cannot be read here.

    Attributes:
        governors: what sets the clock of the processors that this process may use, each once.
        mhz: the clock of each of them.
        degrees: thermal zone -> degrees Celsius.
        throttled: the bits of a Raspberry Pi: 0 to 3 are of now, 16 to 19 since it booted.
        slowed: how often the processors have slowed down for their heat.
        held: how often the process's group was held back because its quota of time was spent.
        load: how many wanted to run, on the average of the last minute.
        major_faults: pages of this process that had to come from the disk.
    """

    governors: tuple[str, ...] | None
    mhz: tuple[int, ...] | None
    degrees: Mapping[str, float]
    throttled: int | None
    slowed: int | None
    held: int | None
    load: float | None
    major_faults: int | None


@dataclass(frozen=True)
class Machine:
    """What a result belongs to; None is what cannot be read here."""

    cpu: str | None
    level: str
    kernel: str | None
    clock_source: str | None
    timer_ns: float
    affinity: tuple[int, ...]
    python: str
    edgernn: str
    packages: Mapping[str, str]


def moment(root: Path = ROOT) -> Moment:
    """Look now.

    Args:
        root: of the files; another one in tests.
    """
    clocks = [root / CPUS / f"cpu{k}" / "cpufreq" for k in _affinity()]
    governors = _each(_text, [each / "scaling_governor" for each in clocks])
    khz = _each(_whole, [each / "scaling_cur_freq" for each in clocks])
    return Moment(
        governors=governors and tuple(sorted(set(governors))),
        mhz=khz and tuple(round(each / 1000) for each in khz),
        degrees=_degrees(root),
        throttled=_throttled(root),
        slowed=_slowed(root),
        held=next((said for said in (_or_none(_held, root / path) for path in QUOTAS) if said is not None), None),
        load=_or_none(lambda: float(_text(root / "proc/loadavg").split()[0])),
        major_faults=_or_none(lambda: int(_text(root / "proc/self/stat").rpartition(")")[2].split()[9])),
    )


def machine(root: Path = ROOT) -> Machine:
    """What this machine is, and the versions of what runs on it."""
    model = _or_none(lambda: re.search(r"^model name\s*:\s*(\S.*)$", _text(root / "proc/cpuinfo"), re.MULTILINE))
    return Machine(
        cpu=model and model[1],
        level=isa.best(),
        kernel=_or_none(lambda: _text(root / "proc/sys/kernel/osrelease")),
        clock_source=_or_none(lambda: _text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")),
        timer_ns=time.get_clock_info("perf_counter").resolution * 1e9,
        affinity=_affinity(),
        python=platform.python_version(),
        edgernn=VERSION,
        packages=_versions(),
    )


def fingerprint(here: Machine, now: Moment, backend: str, threads: int) -> dict[str, Any]:
    """What must be equal for two results to be held against each other: device, governor, versions, threads."""
    said = asdict(here)
    same = {key: said[key] for key in ("cpu", "level", "affinity", "python", "packages")}
    return {**same, "governors": now.governors, "backend": backend, "threads": threads}


def _versions() -> dict[str, str]:
    found = {}
    for package in packages():
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _affinity() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _text(path: Path) -> str:
    return path.read_text().strip()


def _whole(path: Path) -> int:
    return int(_text(path))


def _or_none(read: Callable[..., T], *given: Any) -> T | None:
    try:
        return read(*given)
    except (OSError, ValueError, IndexError):
        return None


def _each(read: Callable[[Path], T], paths: list[Path]) -> tuple[T, ...] | None:
    """What all of them say; None where one says nothing."""
    said = tuple(each for each in (_or_none(read, path) for path in paths) if each is not None and each != "")
    return said if said and len(said) == len(paths) else None


def _degrees(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        said = _or_none(_whole, zone / "temp")
        if said is not None:
            found[f"{zone.name} {_or_none(_text, zone / 'type') or ''}".strip()] = said / 1000
    return found


def _throttled(root: Path) -> int | None:
    said = _or_none(lambda: int(_text(root / PI), 16))
    command = shutil.which("vcgencmd") if said is None and root == ROOT else None
    if command is None:
        return said
    done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, check=False)  # noqa: S603
    return _or_none(lambda: int(done.stdout.strip().removeprefix("throttled="), 16))


def _slowed(root: Path) -> int | None:
    paths = sorted((root / CPUS).glob("cpu*/thermal_throttle/*_throttle_count"))
    counts = _each(_whole, paths)
    return None if counts is None else sum(counts)


def _held(path: Path) -> int | None:
    found = re.search(r"^nr_throttled (\d+)$", _text(path), re.MULTILINE)
    return found and int(found[1])
