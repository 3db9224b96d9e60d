"""The C compiler: the system's for this machine, that of the package ziglang for any other."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

from edgernn.device.isa import Level
from edgernn.errors import CompilerError
from edgernn.files import temporary
from edgernn.process import child

OPTIONS = ("-std=c99", "-O3", "-ffp-contract=off", "-Wl,--build-id=none")
LIBRARY = ("-fPIC", "-shared", "-s")
OBJECT = ("-fPIC", "-fvisibility=hidden", "-c")
MODULE = ("-mexec-model=reactor", "-s", "-Wl,--export=__heap_base")
WEB_ASSEMBLY = ("-target", "wasm32-wasi", "-mcpu=generic+simd128")  # the parts of wasi's C library used import nothing
SHOWN_LINES = 8
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Compiler:
    """A command that compiles C, with the options for a processor."""

    command: tuple[str, ...]
    options: tuple[str, ...]


def for_this_machine(level: Level) -> Compiler:
    """$CC, else cc, gcc or clang on the path, else ziglang.

    Raises:
        CompilerError: none of them is installed.
    """
    if os.environ.get("CC"):
        return Compiler(tuple(shlex.split(os.environ["CC"])), level.options)
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path:
            return Compiler((path,), level.options)
    if find_spec("ziglang"):
        return Compiler(_zig(), (f"-mcpu={level.zig}",))
    raise CompilerError("no C compiler (cc, gcc, clang) is installed: install one, or pip install 'edgernn[native]'")


def for_board(name: str, triple: str, cpu: str) -> Compiler:
    """The compiler for another machine: zig has its headers and C library.

    Args:
        name: the board's, for error messages.
        triple: the target in zig's terms, such as "aarch64-linux-gnu.2.36".
        cpu: the processor in zig's terms, such as "cortex_a72".

    Raises:
        CompilerError: ziglang is not installed.
    """
    return _with_zig(f"'{name}'", ("-target", triple, f"-mcpu={cpu}"))


def for_system(name: str, triple: str, cpu: str) -> Compiler:
    """The compiler for another operating system, in zig's terms.

    Args:
        name: of the file, for error messages.
        triple, cpu: as in `for_board`.

    Raises:
        CompilerError: ziglang is not installed.
    """
    return _with_zig(f"'{name}'", ("-target", triple, f"-mcpu={cpu}"))


def shared_library(source: str, compiler: Compiler, binaries: Mapping[str, bytes] = NO_FILES) -> bytes:
    """Compile one source, and the files that it includes, to a shared library.

    The same source and compiler give the same bytes.

    Raises:
        CompilerError: the compiler cannot be run, or it fails; the message shows its first lines.
    """
    return _compiled({"model.c": source, **binaries}, compiler, LIBRARY)


def object_file(source: str, compiler: Compiler) -> bytes:
    """Compile one source to a part of a library, which exports nothing by itself.

    Raises:
        CompilerError: as `shared_library`.
    """
    return _compiled({"model.c": source}, compiler, OBJECT)


def linked(sources: Mapping[str, str | bytes], compiler: Compiler, binaries: Mapping[str, bytes] = NO_FILES) -> bytes:
    """Compile sources and link them with object files, by file name, to a shared library.

    Raises:
        CompilerError: as `shared_library`.
    """
    return _compiled({**sources, **binaries}, compiler, LIBRARY)


def web_assembly(sources: Mapping[str, str], exported: Sequence[str], stack: int) -> bytes:
    """Compile sources, by file name, to a WebAssembly module with SIMD that exports these functions and its memory.

    Args:
        sources: the `.c` files and the headers that they include.
        exported: names of functions.
        stack: its size in bytes; zig places it below all data, so that a call that needs more traps.

    Raises:
        CompilerError: ziglang is not installed; or as `shared_library`.
    """
    options = (*(f"-Wl,--export={name}" for name in exported), f"-Wl,-z,stack-size={-(-stack // 16) * 16}")
    return _compiled(sources, _with_zig("WebAssembly", WEB_ASSEMBLY), (*MODULE, *options))


def executable(sources: Mapping[str, str], compiler: Compiler) -> bytes:
    """Compile sources, by file name, to a program with symbols.

    Raises:
        CompilerError: as `shared_library`.
    """
    return _compiled(sources, compiler, ())


def _compiled(sources: Mapping[str, str | bytes], compiler: Compiler, kind: tuple[str, ...]) -> bytes:
    with temporary.directory() as folder:
        for name, source in sources.items():
            (folder / name).write_bytes(source.encode() if isinstance(source, str) else source)
        command = (*compiler.command, *OPTIONS, *kind, *compiler.options)
        call = [*command, *(name for name in sources if name.endswith((".c", ".o"))), "-o", "output", "-lm"]
        environment = os.environ | {"HOME": os.path.expanduser("~")}  # for the cache of zig; a service may have no HOME
        try:
            done = child.run(call, folder, environment)
        except OSError as error:
            raise CompilerError(f"the compiler '{call[0]}' cannot be run: {error.strerror}; check $CC") from error
        if done.returncode:
            raise CompilerError(f"{' '.join(command)} failed with code {done.returncode}:\n{_shortened(done.stderr)}")
        return (folder / "output").read_bytes()


def _shortened(message: str) -> str:
    """The first lines that name an error, or else the first lines."""
    lines = message.strip().splitlines()
    errors = [line for line in lines if "error" in line.lower()]
    return "\n".join((errors or lines)[:SHOWN_LINES])


def _with_zig(subject: str, options: tuple[str, ...]) -> Compiler:
    if find_spec("ziglang"):
        return Compiler(_zig(), options)
    raise CompilerError(f"compiling for {subject} needs the package 'ziglang': pip install 'edgernn[native]'")


def _zig() -> tuple[str, ...]:
    return sys.executable, "-m", "ziglang", "cc"
