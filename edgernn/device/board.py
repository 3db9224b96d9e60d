"""Devices: the boards that have a profile, and this machine."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.device.probe import probe
from edgernn.device.profile import FIGURES, Figure, Profile, read
from edgernn.device.rates import RATES, StepRate
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt

THIS = "this"

RUNTIMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {".onnx": ("onnxruntime",), ".tflite": ("ai-edge-litert", "tflite-runtime"), ".rnn": ("numpy",)}
)
"""Suffix of an artifact -> the packages that run it, the preferred one first."""

COMPILED = (".so", ".c")
"""Artifacts that no package needs to run: a compiler on the host makes them for the board's triple."""

ARMV6 = re.compile(r"armv6[a-z]*|(raspberry)?r?pi(zero|0|1[ab]?)(plus|w|wh)?|arm1176[a-z]*")
"""Names, in small letters and digits alone, of boards of the architecture ARMv6: the first Raspberry Pi, the Zero."""


@dataclass(frozen=True)
class Device:
    """A board as its profile knows it; None is unknown.

    Attributes:
        name: what it is called on the command line.
        title: what it is, in words.
        core: the name of its processor core.
        cores: how many there are.
        clock_mhz: the clock of one core under load, in MHz.
        level: one of edgernn.device.isa.LEVELS.
        l1d_kib, l2_kib, l3_kib: sizes of the caches for data in KiB, as one core sees them; 0 where there is none.
        shared: which of l1d, l2, l3 several cores share.
        ram_mib: memory in MiB, of the smallest version that is sold.
        mb_per_s: what one core moves to and from memory in MB/s, as the STREAM benchmark counts.
        python: the version of Python that its system comes with.
        triple: the target as zig calls it, with the oldest C library to expect.
        cpu: the processor as zig calls it.
        governor: what rules the clock of its cores.
        wheels: package -> whether pip finds a wheel of it there; for this machine, whether it is installed.
        flash_kib: room for code and weights in KiB.
        sram_kib: room for data in KiB, the largest piece that has no gaps.
        fpu: which floats it computes in hardware: "none", "single" or "double".
        dsp: whether one instruction multiplies and adds several integers.
        isa: one of edgernn.device.isa.MICROCONTROLLERS.
        uses: name -> how often a step comes due: those that every device has, as its profile says otherwise or adds to.
        figures: each of these by its name, with the name of its source.
        sources: citations by their names.
    """

    name: str
    title: str
    core: str | None = None
    cores: int | None = None
    clock_mhz: int | None = None
    level: str | None = None
    l1d_kib: int | None = None
    l2_kib: int | None = None
    l3_kib: int | None = None
    shared: tuple[str, ...] | None = None
    ram_mib: int | None = None
    mb_per_s: int | None = None
    python: str | None = None
    triple: str | None = None
    cpu: str | None = None
    governor: str | None = None
    wheels: Mapping[str, bool | None] = field(default_factory=dict)
    flash_kib: int | None = None
    sram_kib: int | None = None
    fpu: str | None = None
    dsp: bool | None = None
    isa: str | None = None
    rates: Mapping[str, StepRate] = field(default_factory=lambda: RATES)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def microcontroller(self) -> bool:
        """Whether it runs nothing but C."""
        return any(getattr(self, name) is not None for name in FIGURES["microcontroller"])

    @property
    def formats(self) -> tuple[str, ...]:
        """The suffixes of the artifacts that the board can run, as far as is known."""
        compiled = COMPILED if self.triple and self.cpu and self.level else (".c",)
        return (*compiled, *(suffix for suffix, packages in RUNTIMES.items() if any(map(self.wheels.get, packages))))

    def rate(self, name: str) -> StepRate:
        """What is asked of a step in a named use.

        Raises:
            UsageError: neither the profile nor the table of uses knows it.
        """
        if name not in self.rates:
            raise UsageError(f"board '{self.name}' has no use '{name}'; {misspelt(name, self.rates)}")
        return self.rates[name]

    def runtime(self, suffix: str) -> str:
        """The package that runs artifacts of this suffix; "" where compiled code needs none.

        Raises:
            UsageError: nothing has this suffix.
            UnsupportedError: the board has no such package, or no compiler writes for it.
        """
        if suffix not in RUNTIMES and suffix not in COMPILED:
            raise UsageError(f"no artifact ends in '{suffix}'; there are {', '.join((*COMPILED, *RUNTIMES))}")
        if suffix in self.formats:
            return next((package for package in RUNTIMES.get(suffix, ()) if self.wheels.get(package)), "")
        lacks = " or ".join(RUNTIMES[suffix]) if suffix in RUNTIMES else ""
        wheel = f"{lacks} installed" if self.name == THIS else f"wheel of {lacks}"
        what = wheel if lacks else "known target for a compiler"
        raise UnsupportedError(f"board '{self.name}' has no {what}; it can run {', '.join(self.formats)}")


def names() -> tuple[str, ...]:
    """What `load` knows: the boards that have a profile, and "this"."""
    return (*sorted(_profiles()), THIS)


def load(name: str | os.PathLike[str]) -> Device:
    """A board by its name, this machine by "this", or the profile in a file that ends in .toml.

    Raises:
        UsageError: there is no such board.
        UnsupportedError: the board is ARMv6.
        FileError: the file cannot be read, or is no profile; the line is said.
    """
    given = os.fspath(name)
    if given == THIS:
        return this()
    path = Path(given) if given.endswith(".toml") else _profiles().get(given)
    if path is not None and path.stem == THIS:
        raise UsageError(f"'{given}' cannot be the profile of a board: '{THIS}' is this machine; choose another name")
    if path is None:
        if ARMV6.fullmatch(re.sub(r"[^a-z0-9]", "", given.lower())):
            raise UnsupportedError(
                f"board '{given}' is ARMv6, for which there is no profile and no compiler here; write the model as .c "
                "and compile it on the board"
            )
        told = misspelt(given, names(), products=True)
        raise UsageError(f"no board '{given}'; {told}, or a file that ends in .toml")
    return _device(path.stem, read(atomic.read(path), str(path)))


def this() -> Device:
    """The machine that this runs on, as it says of itself."""
    return _device(THIS, probe())


def _device(name: str, profile: Profile) -> Device:
    said: dict[str, Any] = {key: figure.value for key, figure in profile.figures.items()}
    wheels = {package: said.pop(package, None) for package in FIGURES["runtimes"]}
    rates = MappingProxyType({**RATES, **profile.rates})
    return Device(
        name, profile.title, **said, wheels=wheels, rates=rates, figures=profile.figures, sources=profile.sources
    )


def _profiles() -> dict[str, Path]:
    """Name -> file: beside the package, where a wheel has them, or in the checkout."""
    here = Path(__file__).parents[1]
    folder = next((each for each in (here / "devices", here.parent / "devices") if each.is_dir()), here)
    return {path.stem: path for path in folder.glob("*.toml")}
