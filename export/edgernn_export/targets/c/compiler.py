"""The C compiler: the system's own for this machine, the one in the package ziglang for every other."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from edgernn.device.isa import Level
from edgernn.errors import CompilerError
from edgernn.files import temporary
from edgernn.process import child

OPTIONS = ("-std=c99", "-O3", "-ffp-contract=off", "-Wl,--build-id=none")
LIBRARY = ("-fPIC", "-shared", "-s")
SHOWN_LINES = 8


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C, with the options that say for which processor."""

    command: tuple[str, ...]
    options: tuple[str, ...]


def for_this_machine(level: Level) -> Compiler:
    """$CC, else cc, gcc or clang on the path, else ziglang.

    Raises:
        CompilerError: there is none.
    """
    if os.environ.get("CC"):
        return Compiler(tuple(shlex.split(os.environ["CC"])), level.options)
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return Compiler((found,), level.options)
    if find_spec("ziglang"):
        return Compiler(_zig(), (f"-mcpu={level.zig}",))
    raise CompilerError("there is no C compiler here (cc, gcc, clang): install one, or pip install 'edgernn[native]'")


def for_board(name: str, triple: str, cpu: str) -> Compiler:
    """The compiler for another machine: zig has the headers and C libraries of them all.

    Args:
        name: of the board, for a message.
        triple: the target as zig calls it, such as "aarch64-linux-gnu.2.36".
        cpu: the processor as zig calls it, such as "cortex_a72".

    Raises:
        CompilerError: ziglang is not installed.
    """
    if find_spec("ziglang"):
        return Compiler(_zig(), ("-target", triple, f"-mcpu={cpu}"))
    raise CompilerError(f"compiling for '{name}' needs the package 'ziglang': pip install 'edgernn[native]'")


def shared_library(source: str, compiler: Compiler) -> bytes:
    """Compile one source to a shared library; the same source and compiler give the same bytes.

    Raises:
        CompilerError: the compiler cannot be run, or it fails; its first lines are shown.
    """
    return _compiled({"model.c": source}, compiler, LIBRARY)


def executable(sources: Mapping[str, str], compiler: Compiler) -> bytes:
    """Compile sources, by their names, to a program that keeps the names of its functions.

    Raises:
        CompilerError: as `shared_library`.
    """
    return _compiled(sources, compiler, ())


def _compiled(sources: Mapping[str, str], compiler: Compiler, kind: tuple[str, ...]) -> bytes:
    with temporary.directory() as folder:
        for name, source in sources.items():
            (folder / name).write_text(source)
        said = (*compiler.command, *OPTIONS, *kind, *compiler.options)
        call = [*said, *(name for name in sources if name.endswith(".c")), "-o", "made", "-lm"]
        around = os.environ | {"HOME": os.path.expanduser("~")}  # where zig keeps its work; a service has none set
        try:
            done = child.run(call, folder, around)
        except OSError as error:
            raise CompilerError(f"the compiler '{call[0]}' cannot be run: {error.strerror}; check $CC") from error
        if done.returncode:
            raise CompilerError(f"{' '.join(said)} failed with code {done.returncode}:\n{_shortened(done.stderr)}")
        return (folder / "made").read_bytes()


def _shortened(said: str) -> str:
    """The first lines that name an error, or else the first lines."""
    lines = said.strip().splitlines()
    named = [line for line in lines if "error" in line.lower()]
    return "\n".join((named or lines)[:SHOWN_LINES])


def _zig() -> tuple[str, ...]:
    return sys.executable, "-m", "ziglang", "cc"
