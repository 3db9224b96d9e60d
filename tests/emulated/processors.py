"""The tables of `make boards`: boards that run Python, processors that run compiled steps, and how a program runs there."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgernn.device.runtimes import RUNTIMES


class MissingProgramError(Exception):
    """A program that this machine lacks; the message says which package has it."""


@dataclass(frozen=True)
class Processor:
    """A processor that qemu emulates for one program.

    Attributes:
        title: in tables.
        machine: as qemu's programs are called.
        core: qemu's name of it; "" for its default.
        triple: zig's target for a program without a shared C library.
        cpu: zig's name of a processor that has no more instructions.
    """

    title: str
    machine: str
    core: str
    triple: str
    cpu: str


@dataclass(frozen=True)
class Board:
    """A board whose operating system, Python and wheels are unpacked in a folder.

    Attributes:
        processor: what it computes with.
        device: the profile that libraries are compiled for.
        architecture: Debian's name of it.
        packages: of Debian, with what they depend on.
        platform: the machine in the names of wheels.
        part: the number of the core in /proc/cpuinfo, after ARM's.
        runtimes: runtime -> the packages that pip brings for it; with nothing they depend on where `bare`.
        bare: whether PyPI has no numpy for it, and Debian's is used.
        crashing: the artifacts at whose first step its runtime crashes, in the kernels that are optimized for ARM.
        links: what Debian's scripts would link after unpacking: a library -> its folder.
    """

    processor: Processor
    device: str
    architecture: str
    packages: tuple[str, ...]
    platform: str
    part: str
    runtimes: Mapping[str, tuple[str, ...]]
    bare: bool = False
    crashing: tuple[str, ...] = ()
    links: Mapping[str, str] | None = None


A53 = Processor("Cortex-A53", "aarch64", "cortex-a53", "aarch64-linux-musl", "cortex_a53")
A76 = Processor("Cortex-A76", "aarch64", "cortex-a76", "aarch64-linux-musl", "cortex_a76")
A7 = Processor("Cortex-A7", "arm", "cortex-a7", "arm-linux-musleabihf", "cortex_a7")

OF_64_BITS = {
    "architecture": "arm64",
    "packages": ("python3.11", "libstdc++6"),
    "platform": "aarch64",
    "runtimes": {name: (RUNTIMES[name].package,) for name in ("onnxruntime", "ai-edge-litert")},
}

BOARDS: Mapping[str, Board] = {
    "aarch64 without dot products": Board(A53, "raspberrypi3bplus", part="0xd03", **OF_64_BITS),
    "aarch64 with dot products": Board(A76, "raspberrypi5", part="0xd0b", **OF_64_BITS),
    "armv7": Board(
        A7, "raspberrypi4-32bit", "armhf", ("python3.11", "python3-numpy", "libstdc++6"), "armv7l",
        part="0xc07", runtimes={"tflite-runtime": ("tflite-runtime", "click", "tomli-w")}, bare=True,
        crashing=("Embedding_static_wi8_ai8", "Product_static_wi8_ai8"), links={"libblas.so.3": "blas", "liblapack.so.3": "lapack"},
    ),
}  # fmt: skip
"""Name -> board that runs Python. Raspberry Pi OS of 32 bits counts as armv7, whatever its core."""

PROCESSORS: Mapping[str, Processor] = {
    "aarch64": A53,
    "aarch64, dot products": A76,
    "armv7": A7,
    "riscv64": Processor("RV64GC", "riscv64", "rv64,v=false", "riscv64-linux-musl", "baseline_rv64"),
    "riscv64 with V": Processor("RV64GCV", "riscv64", "rv64,v=true,vlen=256", "riscv64-linux-musl", "baseline_rv64+v"),
    "riscv32": Processor("RV32GC", "riscv32", "rv32", "riscv32-linux-musl", "baseline_rv32"),
    "ppc64le": Processor("POWER8", "ppc64le", "power8", "powerpc64le-linux-musl", "ppc64le"),
    "s390x, big-endian": Processor("z10", "s390x", "", "s390x-linux-musl", "arch8"),
    "loongarch64": Processor("LA464 without LSX", "loongarch64", "", "loongarch64-linux-musl", "baseline-lsx"),
}
"""Name -> processor that runs compiled steps. zig's baseline of loongarch64 has vectors (LSX), which qemu 7.2 has not."""

BIG_ENDIAN = frozenset({"s390x"})


def emulator(processor: Processor) -> tuple[str, ...]:
    """The command that runs a program of a processor, to be put before it.

    Raises:
        MissingProgramError: qemu is not installed.
    """
    name = f"qemu-{processor.machine}"
    path = shutil.which(f"{name}-static") or shutil.which(name)
    if path is None:
        raise MissingProgramError(f"{name} is not installed: apt-get install qemu-user-static")
    return (path, *(("-cpu", processor.core) if processor.core else ()))


def of_board(board: Board, tree: Path) -> tuple[str, ...]:
    """The command that runs a program of a board, whose files are in a tree."""
    return (*emulator(board.processor), "-L", str(tree))
