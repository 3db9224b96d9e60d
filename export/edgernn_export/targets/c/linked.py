"""What a step takes on a microcontroller, from a linker: its code with the C library, its arrays, and its stack.

The step is compiled and linked with a call of `reset` and `step`, and functions that these do not need are left out.
The stack is that of the deepest path of calls, by the sizes of frames that gcc writes (-fcallgraph-info=su); functions
of the C library count nothing, as gcc does not know their frames.
"""

import re
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from edgernn.device.isa import MICROCONTROLLERS
from edgernn.device.runtimes import NATIVE
from edgernn.errors import CompilerError
from edgernn.files import temporary
from edgernn.model.graph import Graph
from edgernn.process import child
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination

OPTIONS = (
    *("-std=c99", "-O2", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections"),
    "-fno-asynchronous-unwind-tables",
)
LINKING = ("-nostartfiles", "-Wl,--gc-sections")
STEM, TEMPLATES = "model", ("size.c", "size.ld")
NODE = re.compile(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes')
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


@dataclass(frozen=True)
class Linked:
    """The bytes of a linked step.

    Attributes:
        code: its functions.
        constants: its arrays of constants.
        library: what it needs of the C library.
        data: variables of the C library that have values, in RAM and once more in flash.
        zeroed: variables of the C library that begin at zero, in RAM.
        stack: from `step` to the deepest function, without the C library.
    """

    code: int
    constants: int
    library: int
    data: int
    zeroed: int
    stack: int


def compiler_of(isa: str | None) -> str:
    """The compiler for an instruction set with its version, such as "arm-none-eabi-gcc 12.2.1"; "" if not installed."""
    known = MICROCONTROLLERS.get(str(isa))
    path = known and known.compiler and shutil.which(known.compiler)
    return _version(path) if path else ""


@cache
def _version(path: str) -> str:
    version = child.run([path, "-dumpfullversion"]).stdout.strip()
    return f"{Path(path).name} {version}"


def linked(graph: Graph, isa: str) -> Linked:
    """Compile and link the step of a graph for an instruction set of MICROCONTROLLERS.

    Raises:
        CompilerError: the compiler is not installed, or it fails.
        UnsupportedError: a layer is quantized in a scheme that C cannot express.
    """
    toolchain = MICROCONTROLLERS[isa]
    sources = {name: files(__package__).joinpath("templates", name).read_bytes() for name in TEMPLATES}
    with temporary.directory() as folder:
        for name, data in {**render(graph, STEM, Destination(NATIVE)), **sources}.items():
            (folder / name).write_bytes(data)
        for source in (f"{STEM}.c", "size.c"):
            call = (*toolchain.options, *OPTIONS, "-fcallgraph-info=su", "-c", source)
            _run((toolchain.compiler, *call), folder)
        libraries = toolchain.linking or toolchain.options
        _run((toolchain.compiler, *libraries, *LINKING, "-T", "size.ld", f"{STEM}.o", "size.o", "-lm"), folder)
        listed = _run((toolchain.compiler.removesuffix("gcc") + "size", "-A", "a.out"), folder)
        calls = (folder / f"{STEM}.ci").read_text()
    sizes = {name: int(size) for name, size in re.findall(r"^\.(\w+)\s+(\d+)", listed, re.MULTILINE)}
    return Linked(
        code=sizes["model_code"],
        constants=sizes.get("model_data", 0),
        library=sizes.get("library", 0),
        data=sizes.get("data", 0),
        zeroed=sizes.get("zeroed", 0),
        stack=deepest(f"{STEM}_step", calls),
    )


def deepest(function: str, calls: str) -> int:
    """The bytes of stack of the deepest path of calls that begins in a function.

    Args:
        function: its name.
        calls: the graph of calls, as gcc's -fcallgraph-info=su writes it.
    """
    frames = {name: int(size) for name, size in NODE.findall(calls)}
    called_by: dict[str, set[str]] = {}
    for caller, called in EDGE.findall(calls):
        called_by.setdefault(caller, set()).add(called)

    def depth(name: str) -> int:
        return frames.get(name, 0) + max((depth(each) for each in called_by.get(name, ())), default=0)

    return depth(function)


def _run(call: tuple[str, ...], folder: Path) -> str:
    try:
        done = child.run(call, folder)
    except OSError as error:
        raise CompilerError(
            f"the compiler '{call[0]}' cannot be run: {error.strerror}; install it: Debian has the packages "
            "gcc-arm-none-eabi libnewlib-arm-none-eabi, and gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
        ) from error
    if done.returncode:
        raise CompilerError(f"{' '.join(call)} failed with code {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
