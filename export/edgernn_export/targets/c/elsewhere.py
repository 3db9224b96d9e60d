"""The shared library for another operating system, compiled by zig: the functions of the header of `.c`.

What it computes is proved by the same code in a library for this machine. Whether its own bytes ever ran is in its
manifest: `cpu` ends in "untested" unless wine ran its self-test here.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgernn.artifact.checksum import fill
from edgernn.artifact.manifest import dump_manifest
from edgernn.errors import ParityError
from edgernn.files import temporary
from edgernn.model.graph import Graph
from edgernn.model.tensor import SCHEMES
from edgernn.process import child
from edgernn_export.targets.c.compiler import executable, for_system, linked
from edgernn_export.targets.c.target import identifier, write
from edgernn_export.targets.naming import named_trace

UNTESTED, TESTED = "untested", "self-test passed in wine"
WINE = ("wine64", "wine", "/usr/lib/wine/wine64")
LOADED = """
#include <stdio.h>
#include <windows.h>
int main(void) {
    HMODULE library = LoadLibraryA("model.dll");
    FARPROC test = library ? GetProcAddress(library, "PREFIX_self_test") : 0;
    if (!test) {
        printf("error %lu", (unsigned long)GetLastError());
        return 99;
    }
    return ((int (*)(void))test)();
}
"""


@dataclass(frozen=True)
class System:
    """An operating system on a kind of processor.

    Attributes:
        name: in the manifest.
        suffix: of its shared libraries.
        triple, cpu: zig's names of it and of the least processor.
        runner: the programs that run its programs here, the first that is installed.
    """

    name: str
    suffix: str
    triple: str
    cpu: str
    runner: tuple[str, ...] = ()


WINDOWS = System("x86_64-windows", ".dll", "x86_64-windows-gnu", "x86_64", WINE)
MACOS = System("aarch64-macos", ".dylib", "aarch64-macos", "apple_m1")


def render(system: System, graph: Graph, stem: str) -> Mapping[str, bytes]:
    """The library with its checksum, and the header.

    Raises:
        CompilerError: ziglang is not installed, or it fails.
        ParityError: the library does not pass its own test where it was run.
    """
    runner = _runner(system)
    named, name = named_trace(graph, SCHEMES), f"{stem}{system.suffix}"
    manifest = dump_manifest(replace(named.manifest, cpu=f"{system.name}, {TESTED if runner else UNTESTED}"))
    code = write(named, identifier(stem), manifest, f'#include "{stem}.h"')
    sources = {f"{stem}.c": code.source, f"{stem}.h": code.header}
    library = fill(linked(sources, for_system(name, system.triple, system.cpu)))
    if runner:
        _test(system, runner, name, identifier(stem), library)
    return {name: library, f"{stem}.h": code.header.encode()}


def _runner(system: System) -> str:
    """The program that runs those of a system; "" where there is none, or wine was never started by this user.

    Its first start writes 700 MB into the user's folder, which an export does not decide.
    """
    prefix = Path(os.environ.get("WINEPREFIX") or "~/.wine").expanduser()
    installed = (shutil.which(each) for each in system.runner)
    return next(filter(None, installed), "") if (prefix / "system.reg").exists() else ""


def _test(system: System, runner: str, name: str, prefix: str, library: bytes) -> None:
    source = LOADED.replace("PREFIX", prefix)
    program = executable({"main.c": source}, for_system(name, system.triple, system.cpu))
    with temporary.directory() as folder:
        (folder / "model.dll").write_bytes(library)
        (folder / "main.exe").write_bytes(program)
        done = child.run([runner, "main.exe"], folder, os.environ | {"WINEDEBUG": "-all"})
    if done.returncode:
        reason = done.stdout.strip() or f"code {done.returncode}"
        raise ParityError(f"'{name}' fails its own test in wine ({reason}); please report the model")
