"""Count the instructions of a step: by callgrind on this machine, by qemu on another kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import graph_manifest
from edgernn.device.runtimes import NATIVE
from edgernn.errors import CompilerError, UsageError
from edgernn.files import temporary
from edgernn.files.spelling import misspelt
from edgernn.model.graph import INPUT, Graph
from edgernn.process import child
from edgernn_export.counting import callgrind, emulated
from edgernn_export.targets.c.compiler import Compiler, executable
from edgernn_export.targets.c.target import render
from edgernn_export.targets.destination import Destination

LEVEL = callgrind.BEST
STEPS = 50


@dataclass(frozen=True)
class Counter:
    """A way to count the instructions of a program.

    Attributes:
        compiler: the compiler for a level.
        count: the instructions of the steps of a program, `count` in a folder that has its frames.
    """

    compiler: Callable[[str], Compiler]
    count: Callable[[str, Path], int]


COUNTERS: Mapping[str, Counter] = {
    **dict.fromkeys(callgrind.LEVELS, Counter(callgrind.compiler, callgrind.count)),
    **dict.fromkeys(emulated.PROCESSORS, Counter(emulated.compiler, emulated.count)),
}
"""The level of a processor -> how its instructions are counted."""


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
        level: one of COUNTERS.

    Raises:
        UsageError: instructions of this level are not counted.
        UnsupportedError: the program that counts is not installed, or this machine cannot run the level.
        CompilerError: no compiler is installed, or it fails.
    """
    counter = COUNTERS.get(level)
    if counter is None:
        raise UsageError(f"instructions of '{level}' are not counted; {misspelt(level, COUNTERS)}")
    compiler = counter.compiler(level)
    taken = _random_frames(graph) if frames is None else _as_taken(graph, frames)
    sources = {name: data.decode() for name, data in render(graph, "model", Destination(NATIVE)).items()}
    text = files("edgernn_export.counting").joinpath("templates", "count.c").read_text()
    sources["count.c"] = Template(text).substitute(steps=len(taken))
    with temporary.directory() as folder:
        program = folder / "count"
        program.write_bytes(executable(sources, compiler))
        program.chmod(0o700)
        (folder / "frames").write_bytes(taken.tobytes())
        total = counter.count(level, folder)
    return Count(total / len(taken), _version(compiler))


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


def _version(compiler: Compiler) -> str:
    call = [*compiler.command, "--version"]
    try:
        done = child.run(call)
    except OSError as error:
        raise CompilerError(f"the compiler '{call[0]}' did not print its version: {error}; check $CC") from error
    if done.returncode:
        raise CompilerError(f"'{' '.join(call)}' failed with code {done.returncode}; check $CC")
    return done.stdout.splitlines()[0].strip()
