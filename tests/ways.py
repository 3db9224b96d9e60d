"""The ways to compile the C code that this machine has: compilers, instruction sets, and other processors by qemu."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgernn.device import isa
from edgernn_export import export
from edgernn_export.targets.c.compiler import WEB_ASSEMBLY

RUNTIME = Path(export.__code__.co_filename).parent / "c_runtime"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-ffp-contract=off")
HERE = [name for name in isa.LEVELS if not isa.missing(name)]


@dataclass(frozen=True)
class Way:
    """A compiler with the options of an instruction set, and what runs the program."""

    compiler: tuple[str, ...]
    runner: tuple[str, ...] = ()
    optimize: str = "-O2"
    linker: tuple[str, ...] = ()  # where it is another command

    def build(self, folder: Path, *sources: str) -> Path:
        """Compile sources of a folder, every warning an error, to a program there."""
        command = [*self.compiler, self.optimize, *STRICT, f"-I{RUNTIME}"]
        linked = ["-o", "program", "-lm"]
        calls = [[*command, *sources, *linked]]
        if self.linker:
            objects = [f"{source}.o" for source in sources]
            calls = [[*command, "-c", source, "-o", each] for source, each in zip(sources, objects, strict=True)]
            calls.append([*self.linker, *objects, *linked])
        for call in calls:
            done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[:2000]
        return folder / "program"

    def run(self, program: Path, data: bytes = b"", *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run the program on this input."""
        return subprocess.run([*self.runner, program, *arguments], input=data, capture_output=True, check=False)

    def output(self, folder: Path, code: str, data: bytes = b"") -> bytes:
        """Compile one source file, and return what it prints."""
        (folder / "main.c").write_text(code)
        done = self.run(self.build(folder, "main.c"), data)
        assert done.returncode == 0, done.stderr[:2000]
        return done.stdout


COMPILERS = {
    "gcc": ("gcc", "-std=c99"),
    "g++": ("g++", "-x", "c++"),
    "clang": ("clang", "-std=c99"),
    "clang++": ("clang++", "-x", "c++", "-Wno-deprecated"),
}
SANITIZED = ("gcc", "-std=c99", "-fsanitize=address,undefined", "-fno-sanitize-recover", "-Wno-sign-conversion")
"""Compiled with -O0, which takes a tenth of the time of -O1: then some intrinsics are macros that convert signs."""
BOARDS = {
    "aarch64-dotprod": ("aarch64-linux-musl", "qemu-aarch64"),
    "aarch64": ("aarch64-linux-musl", "qemu-aarch64"),
    "armv7-neon": ("arm-linux-musleabihf", "qemu-arm"),
}
"""Level -> the target of zig, and the emulator."""
SEMIHOSTING = ("-semihosting-config", "enable=on,target=native")
CORTEX_M = {
    "cortex-m4": ("mps2-an386", "0x21000000"),
    "cortex-m7": ("mps2-an500", "0x60000000"),
    "cortex-m55": ("mps3-an547", "0x60000000"),
}
"""Processor -> a board of qemu-system-arm that has it, and where 16 MB of its memory start."""


def _native(kind: str, level: str, command: tuple[str, ...] = (), *options: str) -> Way | str:
    if isa.missing(level):
        return f"this processor is no {level}"
    if command:
        return _installed(
            command, *isa.LEVELS[level].options, *options, optimize="-O0" if command == SANITIZED else "-O1"
        )
    optimize = "-O1" if "++" in kind else "-O2"  # the same compilers, asked whether the code is C++ too
    return _installed(COMPILERS[kind], *isa.LEVELS[level].options, optimize=optimize)


def _installed(command: tuple[str, ...], *options: str, optimize: str = "-O2") -> Way | str:
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    return Way((*command, *options), optimize=optimize)


def _emulated(level: str) -> Way | str:
    """The level of another machine: zig compiles for it and qemu runs it; the C library is built once for its levels."""
    triple, emulator = BOARDS[level]
    path = shutil.which(f"{emulator}-static") or shutil.which(emulator)
    if not path or not find_spec("ziglang"):
        return f"{emulator if not path else 'ziglang'} is not installed"
    zig = (sys.executable, "-m", "ziglang", "cc", "-target", triple)
    return Way((*zig, "-std=c99", f"-mcpu={isa.LEVELS[level].zig}"), (path, "-cpu", "max"), linker=zig)


def _in_node() -> Way | str:
    """WebAssembly with SIMD, by the same compiler and options as the target `.wasm`."""
    node = shutil.which("node")
    if not node or not find_spec("ziglang"):
        return f"{'node' if not node else 'ziglang'} is not installed"
    zig = (sys.executable, "-m", "ziglang", "cc", *WEB_ASSEMBLY)
    return Way((*zig, "-std=c99"), (node, "--no-warnings", str(Path(__file__).with_name("wasi.mjs"))), linker=zig)


def cortex_m(cpu: str, *options: str) -> Way | str:
    """A microcontroller without an operating system: the program reads and writes by semihosting."""
    board, ram = CORTEX_M[cpu]
    missing = [each for each in ("arm-none-eabi-gcc", "qemu-system-arm") if shutil.which(each) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    folder = Path(__file__).with_name("cortex_m")
    memory = ("--specs=rdimon.specs", "-nostartfiles", f"-Wl,--defsym=ram={ram}", "-T", str(folder / "memory.ld"))
    command = ("arm-none-eabi-gcc", "-std=c99", f"-mcpu={cpu}", "-mfloat-abi=hard", "-mfpu=auto", *memory, *options)
    emulator = ("qemu-system-arm", "-M", board, "-nographic", "-monitor", "none", "-serial", "none")
    return Way((*command, str(folder / "start.c")), (*emulator, *SEMIHOSTING, "-kernel"))


BEST = isa.LEVELS[HERE[0]].options
FOUND: dict[str, Way | str] = {
    **{f"{kind} {level}": _native(kind, level) for kind in COMPILERS for level in isa.LEVELS if level not in BOARDS},
    "gcc -O3": _installed(COMPILERS["gcc"], *BEST, optimize="-O3"),
    "portable": _installed(COMPILERS["gcc"], "-DEDGERNN_PORTABLE"),
    "rows": _installed(COMPILERS["gcc"], "-DEDGERNN_BY_ROWS"),
    "sanitized": _installed(SANITIZED, *BEST, optimize="-O0"),
    "sanitized portable": _installed(SANITIZED, "-DEDGERNN_PORTABLE", optimize="-O0"),
    **{level: _emulated(level) for level in BOARDS},
}
"""A name -> how to compile and run C, or the reason why that is impossible here."""

KERNELS: dict[str, Way | str] = FOUND | {
    "sanitized x86-64-v3": _native("gcc", "x86-64-v3", SANITIZED),
    "sanitized x86-64": _native("gcc", "x86-64", SANITIZED),
    "sanitized rows": _installed(SANITIZED, "-DEDGERNN_BY_ROWS", optimize="-O0"),
    "AVX-VNNI by AVX-512": _native("gcc", "x86-64-v4-vnni", COMPILERS["gcc"], "-DEDGERNN_VNNI_256"),
    "wasm32": _in_node(),
    **{cpu: cortex_m(cpu) for cpu in ("cortex-m4", "cortex-m55")},
}
"""Further ways for the kernels alone; AVX-VNNI by AVX-512 is x86-64-v3-vnni by instructions that this processor has."""


def _each(ways: Mapping[str, Way | str]) -> list[object]:
    """For parametrized tests: a way that is missing here is skipped, with the reason."""
    return [
        name if isinstance(way, Way) else pytest.param(name, marks=pytest.mark.skip(reason=way))
        for name, way in ways.items()
    ]


WAYS = {name: way for name, way in KERNELS.items() if isinstance(way, Way)}
EVERY_WAY, EVERY_KERNEL_WAY = _each(FOUND), _each(KERNELS)


def included(i: int, code: str) -> str:
    """The file m{i}.c as part of one translation unit; the names that it keeps to itself get its number."""
    own = sorted(set(re.findall(r"^(?:ALIGNED )?static const [a-z0-9_ ]+?\b(\w+)\[", code, re.MULTILINE)))
    renamed = [f"#define {name} {name}_of_{i}" for name in own]
    return "\n".join([*renamed, f'#include "m{i}.c"', *(f"#undef {name}" for name in own)])


def needs(*programs: str) -> pytest.MarkDecorator:
    """For a test that runs these programs: it is skipped with the reason where one is missing."""
    gone = [each for each in programs if shutil.which(each) is None]
    return pytest.mark.skipif(bool(gone), reason=f"not installed: {', '.join(gone)}")
