"""Conditions of a measurement: the machine, and its state at one moment, read from files of the kernel."""

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
PI = "sys/devices/platform/soc/soc:firmware/get_throttled"  # on Raspberry Pi OS; else `vcgencmd` is used
QUOTAS = ("sys/fs/cgroup/cpu.stat", "sys/fs/cgroup/cpu/cpu.stat")

T = TypeVar("T")


@dataclass(frozen=True)
class MachineState:
    """The state of the machine at one moment; None stands for a value that cannot be read.

    Attributes:
        governors: the different frequency governors of the processors that this process may use.
        mhz: the clock of each of these processors.
        temperatures: thermal zone -> degrees Celsius.
        throttled: the bits of a Raspberry Pi; 0 to 3 are current, 16 to 19 are since boot.
        thermal_throttles: number of thermal throttling events of the processors.
        quota_throttles: number of periods in which the process's control group had used up its CPU quota.
        load: load average of the last minute.
        major_faults: number of pages of this process that were read from disk.
    """

    governors: tuple[str, ...] | None
    mhz: tuple[int, ...] | None
    temperatures: Mapping[str, float]
    throttled: int | None
    thermal_throttles: int | None
    quota_throttles: int | None
    load: float | None
    major_faults: int | None


@dataclass(frozen=True)
class Machine:
    """The machine and the software versions of a result; None stands for a value that cannot be read."""

    cpu: str | None
    level: str
    kernel: str | None
    clock_source: str | None
    timer_ns: float
    affinity: tuple[int, ...]
    python: str
    edgernn: str
    packages: Mapping[str, str]


def machine_state(root: Path = ROOT) -> MachineState:
    """Read the current state of the machine.

    Args:
        root: of the file system; replaced in tests.
    """
    clocks = [root / CPUS / f"cpu{k}" / "cpufreq" for k in _affinity()]
    governors = _each(_text, [each / "scaling_governor" for each in clocks])
    khz = _each(_whole, [each / "scaling_cur_freq" for each in clocks])
    return MachineState(
        governors=governors and tuple(sorted(set(governors))),
        mhz=khz and tuple(round(each / 1000) for each in khz),
        temperatures=_temperatures(root),
        throttled=_throttled(root),
        thermal_throttles=_thermal_throttles(root),
        quota_throttles=next(
            (n for n in (_or_none(_quota_throttles, root / path) for path in QUOTAS) if n is not None), None
        ),
        load=_or_none(lambda: float(_text(root / "proc/loadavg").split()[0])),
        major_faults=_or_none(lambda: int(_text(root / "proc/self/stat").rpartition(")")[2].split()[9])),
    )


def machine(root: Path = ROOT) -> Machine:
    """Describe this machine and the versions of its software."""
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


def fingerprint(here: Machine, state: MachineState, backend: str, threads: int) -> dict[str, Any]:
    """The values that must be equal for two results to be comparable: device, governor, versions, threads."""
    fields = asdict(here)
    same = {key: fields[key] for key in ("cpu", "level", "affinity", "python", "packages")}
    return {**same, "governors": state.governors, "backend": backend, "threads": threads}


def _versions() -> dict[str, str]:
    versions = {}
    for package in packages():
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _affinity() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _text(path: Path) -> str:
    return path.read_text().strip()


def _whole(path: Path) -> int:
    return int(_text(path))


def _or_none(read: Callable[..., T], *arguments: Any) -> T | None:
    try:
        return read(*arguments)
    except (OSError, ValueError, IndexError):
        return None


def _each(read: Callable[[Path], T], paths: list[Path]) -> tuple[T, ...] | None:
    """The values of all files; None if one cannot be read or is empty."""
    values = tuple(each for each in (_or_none(read, path) for path in paths) if each is not None and each != "")
    return values if values and len(values) == len(paths) else None


def _temperatures(root: Path) -> dict[str, float]:
    temperatures = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        millidegrees = _or_none(_whole, zone / "temp")
        if millidegrees is not None:
            temperatures[f"{zone.name} {_or_none(_text, zone / 'type') or ''}".strip()] = millidegrees / 1000
    return temperatures


def _throttled(root: Path) -> int | None:
    bits = _or_none(lambda: int(_text(root / PI), 16))
    command = shutil.which("vcgencmd") if bits is None and root == ROOT else None
    if command is None:
        return bits
    done = subprocess.run([command, "get_throttled"], capture_output=True, text=True, check=False)  # noqa: S603
    return _or_none(lambda: int(done.stdout.strip().removeprefix("throttled="), 16))


def _thermal_throttles(root: Path) -> int | None:
    paths = sorted((root / CPUS).glob("cpu*/thermal_throttle/*_throttle_count"))
    counts = _each(_whole, paths)
    return None if counts is None else sum(counts)


def _quota_throttles(path: Path) -> int | None:
    match = re.search(r"^nr_throttled (\d+)$", _text(path), re.MULTILINE)
    return match and int(match[1])
