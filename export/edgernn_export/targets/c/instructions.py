"""Instructions of a step in C, counted by callgrind: equal in every run, even on a busy machine."""

import re
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import graph_manifest
from edgernn.device import isa
from edgernn.device.runtimes import NATIVE
from edgernn.errors import CompilerError, UnsupportedError
from edgernn.files import temporary
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
        instructions: mean over the steps.
        compiler: the first line of its version; another compiler makes another program.
    """

    instructions: float
    compiler: str


def count(graph: Graph, frames: Array | None = None, level: str = LEVEL) -> Count:
    """Compile the step of a graph for a level, and count its instructions.

    Args:
        graph: what to compile.
        frames: what the stream takes from its initial states on, (steps, inputs); by default STEPS random frames. How
            many instructions a step with thresholds takes depends on them.
        level: one of edgernn.device.isa.LEVELS up to LEVEL.

    Raises:
        UnsupportedError: valgrind is not installed, or this machine cannot run the level.
        CompilerError: no compiler is installed, or it fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise UnsupportedError("instructions are counted by valgrind, which is not installed: install it")
    missing = isa.missing(level)
    if missing:
        raise UnsupportedError(f"instructions are counted on {level}, which needs {missing}")
    compiler = for_this_machine(isa.level(level))
    taken = _random_frames(graph) if frames is None else _as_taken(graph, frames)
    sources = {name: data.decode() for name, data in render(graph, "model", Destination(NATIVE)).items()}
    sources["count.c"] = template("count.c", {"steps": len(taken)})
    return Count(_counted(executable(sources, compiler), valgrind, taken) / len(taken), _version(compiler))


def _as_taken(graph: Graph, frames: Array) -> Array:
    """Frames in the type that the step takes."""
    manifest = graph_manifest(graph.astype("float32"))
    qparams = manifest.quantization.get(INPUT)
    return (frames if qparams is None else qparams.integers(frames)).astype(manifest.dtype(INPUT))


def _random_frames(graph: Graph) -> Array:
    """Random frames: symbols, integers of 8 bits, or floats, by W. Press's quick generator (Numerical Recipes, 7.1)."""
    random, drawn = 1, []
    for _ in range(STEPS * graph.inputs):
        random = (random * 1664525 + 1013904223) % 2**32
        drawn.append(random)
    high = (np.array(drawn, np.int64) >> 8).reshape(STEPS, -1)
    dtype = graph_manifest(graph.astype("float32")).dtype(INPUT)
    if graph.vocabulary_size:
        return (high % graph.vocabulary_size).astype(dtype)
    if any(layer.scheme for layer in graph.layers):
        return ((high >> 16) - 128).astype(dtype)
    return (high / 2**24 - 0.5).astype(dtype)


def _counted(program: bytes, valgrind: str, frames: Array) -> int:
    with temporary.directory() as folder:
        path = folder / "count"
        path.write_bytes(program)
        path.chmod(0o700)
        (folder / "frames").write_bytes(frames.tobytes())
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
