"""Devices: the boards that have a profile, and this machine."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.device.probe import probe
from edgernn.device.profile import FIGURES, Figure, Profile, parse_profile
from edgernn.device.rates import RATES, StepRate
from edgernn.device.runtimes import RUNTIMES, Runtime, packages, running
from edgernn.errors import UnsupportedError, UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt

THIS = "this"

ARMV6 = re.compile(r"armv6[a-z]*|(raspberry)?r?pi(zero|0|1[ab]?)(plus|w|wh)?|arm1176[a-z]*")
"""Names of boards of the architecture ARMv6, such as the first Raspberry Pi and the Zero, in lower case and digits."""


@dataclass(frozen=True)
class Device:
    """A board with the figures of its profile; None is unknown.

    Attributes:
        name: its name on the command line.
        title: its name in words.
        core: the name of the processor core.
        cores: the number of cores.
        clock_mhz: the clock of one core under load, in MHz.
        level: one of edgernn.device.isa.LEVELS.
        l1d_kib, l2_kib, l3_kib: sizes of the data caches in KiB, as one core sees them; 0 where there is none.
        shared: those of l1d, l2, l3 that several cores share.
        ram_mib: memory in MiB, of the smallest version that is sold.
        mb_per_s: memory bandwidth of one core in MB/s, as the STREAM benchmark counts it.
        python: the version of Python in the operating system.
        triple: zig's name of the target, with the oldest C library to expect.
        cpu: zig's name of the processor.
        governor: the frequency governor of the cores.
        wheels: package -> whether pip finds a wheel for the board; for this machine, whether it is installed.
        flash_kib: flash for code and weights in KiB.
        sram_kib: RAM for data in KiB, the largest contiguous piece.
        fpu: the floats that it computes in hardware: "none", "single" or "double".
        dsp: whether one instruction multiplies and adds several integers.
        isa: one of edgernn.device.isa.MICROCONTROLLERS.
        rates: name -> how often a step is due: those of every device, and those that the profile replaces or adds.
        figures: name -> figure, with the name of its source.
        sources: name -> citation.
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
        """Whether the board runs nothing but C."""
        return any(getattr(self, name) is not None for name in FIGURES["microcontroller"])

    @property
    def formats(self) -> tuple[str, ...]:
        """The suffixes of the artifacts that the board is known to run."""
        forms: list[str] = []
        for runtime in RUNTIMES.values():
            forms += [runtime.suffix] * self.runs(runtime) + [runtime.source] * bool(runtime.source)
        return tuple(dict.fromkeys(forms))

    def runs(self, runtime: Runtime) -> bool:
        """Whether the board has the package of a runtime; or, for compiled code, whether a compiler knows the board."""
        if runtime.package:
            return bool(self.wheels.get(runtime.package))
        return bool(self.triple and self.cpu and self.level)

    def rate(self, name: str) -> StepRate:
        """The rate of a name.

        Raises:
            UsageError: neither the profile nor the table of rates has it.
        """
        if name not in self.rates:
            raise UsageError(f"board '{self.name}' has no rate '{name}'; {misspelt(name, self.rates)}")
        return self.rates[name]

    def runtime(self, suffix: str) -> Runtime:
        """The preferred runtime of artifacts of this suffix on the board.

        Raises:
            UsageError: no runtime has this suffix.
            UnsupportedError: the board has no package that runs them, or no compiler knows the board.
        """
        choices = running(suffix)
        for runtime in choices:
            if self.runs(runtime) or suffix == runtime.source:
                return runtime
        packages = " or ".join(each.package for each in choices if each.package)
        wheel = f"{packages} installed" if self.name == THIS else f"wheel of {packages}"
        missing = wheel if packages else "known target for a compiler"
        raise UnsupportedError(f"board '{self.name}' has no {missing}; it can run {', '.join(self.formats)}")


def names() -> tuple[str, ...]:
    """The names that `load` takes: those of the boards that have a profile, and "this"."""
    return (*sorted(_profiles()), THIS)


def load(name: str | os.PathLike[str]) -> Device:
    """Load a board by its name, this machine by "this", or a profile from a file that ends in .toml.

    Raises:
        UsageError: there is no such board.
        UnsupportedError: the board is ARMv6.
        FileError: the file cannot be read or is not a profile; the message has the line.
    """
    text = os.fspath(name)
    if text == THIS:
        return this()
    path = Path(text) if text.endswith(".toml") else _profiles().get(text)
    if path is not None and path.stem == THIS:
        raise UsageError(f"'{text}' cannot be the profile of a board: '{THIS}' is this machine; choose another name")
    if path is None:
        if ARMV6.fullmatch(re.sub(r"[^a-z0-9]", "", text.lower())):
            raise UnsupportedError(
                f"board '{text}' is ARMv6, for which there is no profile and no compiler here; write the model as .c "
                "and compile it on the board"
            )
        hint = misspelt(text, names(), products=True)
        raise UsageError(f"no board '{text}'; {hint}, or a file that ends in .toml")
    return _device(path.stem, parse_profile(atomic.read(path), str(path)))


def this() -> Device:
    """The machine that this process runs on, as it was probed."""
    return _device(THIS, probe())


def _device(name: str, profile: Profile) -> Device:
    values: dict[str, Any] = {key: figure.value for key, figure in profile.figures.items()}
    wheels = {package: values.pop(package, None) for package in packages()}
    rates = MappingProxyType({**RATES, **profile.rates})
    return Device(
        name, profile.title, **values, wheels=wheels, rates=rates, figures=profile.figures, sources=profile.sources
    )


def _profiles() -> dict[str, Path]:
    """Name -> file: in the package, where a wheel has them, or in the checkout."""
    here = Path(__file__).parents[1]
    folder = next((each for each in (here / "devices", here.parent / "devices") if each.is_dir()), here)
    return {path.stem: path for path in folder.glob("*.toml")}
