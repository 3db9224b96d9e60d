"""Instructions of a step in C, counted by callgrind: equal in every run, even on a busy machine."""

import re
import shutil
import subprocess
from dataclasses import dataclass

from edgernn.device import isa
from edgernn.device.runtimes import NATIVE
from edgernn.errors import CompilerError, UnsupportedError
from edgernn.files import temporary
from edgernn.integer.plan import integer_plan
from edgernn.model.graph import INPUT, Graph
from edgernn.process import child
from edgernn_export.targets.c.compiler import Compiler, executable, for_this_machine
from edgernn_export.targets.c.target import render, template
from edgernn_export.targets.destination import Destination

LEVEL = "x86-64-v3"  # callgrind does not know the instructions of later levels
STEPS = 50


@dataclass(frozen=True)
class Count:
    """The instructions of a step.

    Attributes:
        instructions: mean over STEPS steps.
        compiler: the first line of its version; another compiler makes another program.
    """

    instructions: float
    compiler: str


def count(graph: Graph) -> Count:
    """Compile the step of a graph for LEVEL, and count its instructions.

    Raises:
        UnsupportedError: valgrind is not installed, or this machine cannot run LEVEL.
        CompilerError: no compiler is installed, or it fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise UnsupportedError("instructions are counted by valgrind, which is not installed: install it")
    missing = isa.missing(LEVEL)
    if missing:
        raise UnsupportedError(f"instructions are counted on {LEVEL}, which needs {missing}")
    compiler = for_this_machine(isa.level(LEVEL))
    sources = {name: data.decode() for name, data in render(graph, "model", Destination(NATIVE)).items()}
    sources["count.c"] = template("count.c", {"steps": STEPS, "drawn": _drawn(graph)})
    return Count(_counted(executable(sources, compiler), valgrind) / STEPS, _version(compiler))


def _drawn(graph: Graph) -> str:
    """A random number of a frame, in C: a symbol, an integer of 8 or 16 bits, or a float."""
    if graph.vocabulary_size:
        return f"(int32_t)((random >> 8) % {graph.vocabulary_size}u)"
    x = integer_plan(graph).io_quantization.get(INPUT)
    if x is not None:
        return f"(int{x.bits}_t)((int)(random >> {32 - x.bits}) - {1 << (x.bits - 1)})"
    whole = any(layer.scheme for layer in graph.layers)
    return "(int8_t)((int)(random >> 24) - 128)" if whole else "(float)(random >> 8) / 16777216.0f - 0.5f"


def _counted(program: bytes, valgrind: str) -> int:
    with temporary.directory() as folder:
        path = folder / "count"
        path.write_bytes(program)
        path.chmod(0o700)
        tool = ["--tool=callgrind", "--toggle-collect=model_advance", "--callgrind-out-file=out"]
        call = [valgrind, "-q", *tool, "./count"]
        done = child.run(call, folder)
        report = folder / "out"
        text = report.read_text() if report.exists() else ""
        total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if done.returncode or total is None:
        raise UnsupportedError(f"callgrind failed (code {done.returncode}): {done.stderr.strip()[-400:]}")
    return int(total[1])


def _version(compiler: Compiler) -> str:
    call = [*compiler.command, "--version"]
    try:
        done = child.run(call)
        done.check_returncode()
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompilerError(f"the compiler '{call[0]}' did not print its version: {error}; check $CC") from error
    return done.stdout.splitlines()[0].strip()
