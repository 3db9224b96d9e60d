"""Levels of processors: the instructions that compiled code may use, and whether this machine has them."""

import os
import platform
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Level:
    """A set of instructions with a name that compilers and people use.

    Attributes:
        machine: as `platform.machine()` returns it.
        flags: their names in /proc/cpuinfo of Linux.
        options: those of gcc and clang.
        zig: zig's name of a processor that has no more instructions.
        cpus: zig's names of processors for which compiled steps use no other instructions.
    """

    machine: str
    flags: frozenset[str]
    options: tuple[str, ...]
    zig: str
    cpus: tuple[str, ...] = ()


_V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"})
_V3_VNNI = _V3 | {"avx_vnni"}
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512_vnni"}

A64 = ("cortex_a35", "cortex_a53", "cortex_a57", "cortex_a72", "cortex_a73")
A64_DOTPROD = ("cortex_a55", "cortex_a75", "cortex_a76", "cortex_a77", "cortex_a78", "neoverse_n1")

LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "x86-64-v4-vnni": Level(
            "x86_64", _V4, ("-march=x86-64-v4", "-mavx512vnni"), "x86_64_v4+avx512vnni", ("x86_64_v4",)
        ),
        "x86-64-v3-vnni": Level(
            *("x86_64", _V3_VNNI, ("-march=x86-64-v3", "-mavxvnni"), "x86_64_v3+avxvnni", ("gracemont", "alderlake"))
        ),
        "x86-64-v3": Level("x86_64", _V3, ("-march=x86-64-v3",), "x86_64_v3", ("x86_64_v3", "haswell")),
        "x86-64": Level("x86_64", frozenset(), ("-march=x86-64",), "x86_64", ("x86_64",)),
        "aarch64-dotprod": Level(
            "aarch64",
            frozenset({"asimd", "asimddp"}),
            ("-march=armv8.2-a+dotprod",),
            "generic+v8_2a+dotprod",
            A64_DOTPROD,
        ),
        "aarch64": Level("aarch64", frozenset({"asimd"}), ("-march=armv8-a",), "generic", A64),
        "armv7-neon": Level(
            "armv7l",
            frozenset({"neon", "vfpv4"}),
            ("-march=armv7-a", "-mfpu=neon-vfpv4", "-mfloat-abi=hard"),
            "generic+v7a+neon+vfp4",
            ("cortex_a7", "cortex_a15"),
        ),
    }
)
"""Name -> level, the best first for each machine."""


@dataclass(frozen=True)
class Toolchain:
    """A compiler for a microcontroller.

    Attributes:
        compiler: gcc's command; "" where there is none in Debian.
        options: those that choose the processor and how functions are called.
        linking: the same for the linker, where it finds its libraries by others.
    """

    compiler: str
    options: tuple[str, ...]
    linking: tuple[str, ...] = ()


_ARM, _RISCV = "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"
_HARD, _PICOLIBC = ("-mfloat-abi=hard",), ("--specs=picolibc.specs",)

MICROCONTROLLERS: Mapping[str, Toolchain] = MappingProxyType(
    {
        "armv6-m": Toolchain(_ARM, ("-mthumb", "-mcpu=cortex-m0plus", "-mfloat-abi=soft")),
        "armv7e-m+fp": Toolchain(_ARM, ("-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", *_HARD)),
        "armv7e-m+fp.dp": Toolchain(_ARM, ("-mthumb", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", *_HARD)),
        "armv8-m.main+dsp+fp": Toolchain(_ARM, ("-mthumb", "-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", *_HARD)),
        "armv8.1-m.main+mve.fp+fp.dp": Toolchain(_ARM, ("-mthumb", "-mcpu=cortex-m55", *_HARD)),
        "rv32imc": Toolchain(
            *(_RISCV, (*_PICOLIBC, "-march=rv32imc_zicsr", "-mabi=ilp32")),
            (*_PICOLIBC, "-march=rv32im", "-mabi=ilp32"),  # there are no libraries with compressed instructions alone
        ),
        "xtensa-lx7": Toolchain("", ()),
    }
)
"""Instruction set, as gcc's -march names it -> what compiles for it."""

ANY = "any-"
SEVERAL = ","

HWCAP: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "aarch64": MappingProxyType({"asimd": 1 << 1, "asimddp": 1 << 20}),
        "armv7l": MappingProxyType({"neon": 1 << 12, "vfpv4": 1 << 16}),
    }
)
"""Machine -> flag -> its bit in AT_HWCAP, for all flags of LEVELS: asm/hwcap.h of Linux."""

AT_HWCAP = 16  # of the auxiliary vector, getauxval(3)

_HALVED = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}  # 64-bit machine -> what a 32-bit program sees
_IN_32_BITS = frozenset({"neon", "vfpv4"})  # every Armv8-A with "asimd" has these in its 32-bit state


def here() -> tuple[str, frozenset[str]]:
    """The name of this machine and the flags of its processor.

    On ARM the kernel tells this process its flags. So they are right too where a PC emulates the processor, as a
    container for another machine does, and /proc/cpuinfo is that of the PC.
    """
    machine, width = seen(platform.machine(), frozenset(), struct.calcsize("P"))[0], struct.calcsize("P")
    if machine in HWCAP:
        try:
            return machine, hwcap_flags(Path("/proc/self/auxv").read_bytes(), machine, width)
        except OSError:  # the process may not be examined
            pass
    text = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    lines = [line.partition(":")[2] for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    return seen(platform.machine(), frozenset(lines[0].split() if lines else ()), width)


def hwcap_flags(vector: bytes, machine: str, pointer_bytes: int) -> frozenset[str]:
    """The flags in the auxiliary vector of a process on a machine of HWCAP, as far as levels need them."""
    pairs = dict(struct.iter_unpack("QQ" if pointer_bytes == 8 else "II", vector))
    return frozenset(flag for flag, bit in HWCAP[machine].items() if pairs.get(AT_HWCAP, 0) & bit)


def seen(machine: str, flags: frozenset[str], pointer_bytes: int) -> tuple[str, frozenset[str]]:
    """The machine that a program of this width sees: a 64-bit kernel reports "aarch64" to a 32-bit system too."""
    if pointer_bytes == 8 or machine not in _HALVED:
        return machine, flags
    return _HALVED[machine], flags | (_IN_32_BITS if "asimd" in flags else frozenset())


def best() -> str:
    """The best level that this machine has; "any-" and its name on another kind of machine."""
    machine, flags = here()
    levels = (name for name, level in LEVELS.items() if level.machine == machine and level.flags <= flags)
    return next(levels, f"{ANY}{machine}")


def level(name: str) -> Level:
    """The level of this name, one of LEVELS; "any-riscv64" is the baseline of every machine of that kind."""
    return Level(name.removeprefix(ANY), frozenset(), (), "baseline") if name.startswith(ANY) else LEVELS[name]


def of_machine(machine: str) -> tuple[str, ...]:
    """The levels of this kind of machine, the best first."""
    return tuple(name for name, level in LEVELS.items() if level.machine == machine) or (f"{ANY}{machine}",)


def joined(names: Sequence[str]) -> str:
    """Several levels as one text, as a manifest has them."""
    return SEVERAL.join(names)


def split(names: str) -> tuple[str, ...]:
    """The levels in such a text."""
    return tuple(names.split(SEVERAL))


def missing(names: str) -> str:
    """What code of these levels needs and this machine lacks, of the last; "" when one of them can run here."""
    lacking = [_missing(name) for name in split(names)]
    return lacking[-1] if all(lacking) else ""


def _missing(name: str) -> str:
    machine, flags = here()
    if name not in LEVELS and not name.startswith(ANY):
        return f"an unknown processor '{name}'"
    required = level(name)
    if required.machine != machine:
        return f"a machine of kind {required.machine}; this is {machine}"
    lacking = sorted(required.flags - flags)
    return f"a processor with {', '.join(lacking)}" if lacking else ""
