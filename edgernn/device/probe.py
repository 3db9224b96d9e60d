"""Probing this machine: what cannot be read stays unknown, and nothing is measured or imported."""

import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.device import isa
from edgernn.device.profile import FIGURES, Figure, Profile
from edgernn.device.runtimes import packages

PROC = Path("/proc")
CPU0 = Path("/sys/devices/system/cpu/cpu0")

_ABIS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu", "armv7l": "arm-linux-gnueabihf"}


def probe() -> Profile:
    """The profile of this machine; every source begins with "probed: "."""
    figures: dict[str, Figure] = {}
    sources: dict[str, str] = {}
    for key, (read_value, source) in PROBES.items():
        try:
            value = read_value()
        except (OSError, ValueError):
            continue
        domain = next(section[key] for section in FIGURES.values() if key in section)
        if value is not None and domain.contains(value):
            figures[key] = Figure(tuple(value) if isinstance(value, list) else value, source)
            sources[source] = f"probed: {SOURCES[source]}"
    return Profile("this machine, as it was probed", MappingProxyType(figures), MappingProxyType(sources))


def _core() -> str | None:
    return _cpuinfo("model name")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def _clock_mhz() -> int | None:
    top = CPU0 / "cpufreq" / "cpuinfo_max_freq"
    if top.exists():
        return round(int(top.read_text()) / 1000)
    mhz = _cpuinfo("cpu MHz")
    return None if mhz is None else round(float(mhz))


def _cpuinfo(name: str) -> str | None:
    """A field of the first processor in /proc/cpuinfo."""
    match = re.search(rf"^{name}\s*:\s*(\S.*)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    return match and match[1].strip()


def _caches() -> dict[str, tuple[int, bool]]:
    """Each data cache -> its size in KiB, and whether cores share it."""
    caches = {}
    for folder in sorted((CPU0 / "cache").glob("index*")):
        level, kind, size, cores = (
            (folder / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
        )
        if kind != "Instruction" and size.endswith("K"):
            caches["l1d" if level == "1" else f"l{level}"] = int(size[:-1]), not cores.isdecimal()
    return caches


def _cache(name: str) -> Callable[[], int | None]:
    return lambda: _caches()[name][0] if name in _caches() else None


def _l3_kib() -> int | None:
    """0 where the kernel lists an L2 and no L3: it lists both where there are both."""
    caches = _caches()
    return caches.get("l3", (0, False))[0] if "l2" in caches else None


def _shared() -> list[str] | None:
    caches = _caches()
    return [name for name, (_, shared) in caches.items() if shared] if caches else None


def _ram_mib() -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB", (PROC / "meminfo").read_text(), re.MULTILINE)
    return match and int(match[1]) // 1024


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _triple() -> str | None:
    machine, _ = isa.here()
    library, version = platform.libc_ver()
    return f"{_ABIS[machine]}.{version}" if machine in _ABIS and library == "glibc" else None


def _cpu() -> str | None:
    return "native" if _triple() else None


def _governor() -> str | None:
    path = CPU0 / "cpufreq" / "scaling_governor"
    return path.read_text().strip() if path.exists() else None


def _installed(package: str) -> Callable[[], bool]:
    return lambda: next(iter(metadata.distributions(name=package)), None) is not None


SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "cpuinfo": "/proc/cpuinfo",
        "affinity": "the processors that this process may use",
        "clock": "the highest clock that cpufreq allows, else the clock in /proc/cpuinfo",
        "cache": "/sys/devices/system/cpu/cpu0/cache",
        "meminfo": "/proc/meminfo",
        "python": "the interpreter of this process",
        "libc": "the machine and its C library",
        "here": "code is compiled for the processor of this machine",
        "governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "packages": "the packages that are installed",
    }
)

PROBES: Mapping[str, tuple[Callable[[], Any], str]] = MappingProxyType(
    {
        "core": (_core, "cpuinfo"),
        "cores": (_cores, "affinity"),
        "clock_mhz": (_clock_mhz, "clock"),
        "level": (isa.best, "cpuinfo"),
        "l1d_kib": (_cache("l1d"), "cache"),
        "l2_kib": (_cache("l2"), "cache"),
        "l3_kib": (_l3_kib, "cache"),
        "shared": (_shared, "cache"),
        "ram_mib": (_ram_mib, "meminfo"),
        "python": (_python, "python"),
        "triple": (_triple, "libc"),
        "cpu": (_cpu, "here"),
        "governor": (_governor, "governor"),
        **{name: (_installed(name), "packages") for name in packages()},
    }
)
"""Figure -> the function that reads it, and one of SOURCES. edgernn.device.survey measures the memory bandwidth."""
