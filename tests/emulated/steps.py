"""Compiled steps on processors of every kind: programs without a shared library, beside the definition on the host."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import goldens
from edgernn.artifact.manifest import Manifest, graph_manifest
from edgernn.model.graph import INPUT, OUTPUT, Graph
from edgernn_export.targets.c.compiler import Compiler, executable
from emulated import debian
from emulated.processors import BIG_ENDIAN, MissingProgramError, Processor, emulator
from emulated.pythons import BoardError
from emulated.system import CACHE
from static_zoo import program
from zoo import GRAPHS, frames

PRECISIONS = ("fp32", *goldens.ROUNDED)
GRAPHS_OF = (
    "stack", "Rnn relu", "Gru", "Gru rest", "Lstm projected", "FastGrnn", "LayerNormGru", "LstmPeephole", "Conv1d dilated",
    "Embedding", "Gru shared", "Conv2d strided", "Positions", "Concat of outputs", "Deadband",
)  # fmt: skip
"""In each precision; those that stay float in it are left out."""
FLOATS = ("LogMel", "Istft", "Dense softmax", "Curves within", "Gru factored")
"""In fp32 too."""
STEPS = 40
SIZE = 1e-5  # of the largest answer, or of 1: as far as float may be


@dataclass(frozen=True)
class Case:
    """A graph, its frames, and what the definition answers: y and each state, a row for each step."""

    graph: Graph
    manifest: Manifest
    frames: np.ndarray
    expected: Mapping[str, np.ndarray]


@cache
def cases(precision: str) -> tuple[Case, ...]:
    """The cases of a precision."""
    if precision == "fp32":
        return tuple(_case(GRAPHS[name]) for name in (*GRAPHS_OF, *FLOATS))
    graphs = (goldens.in_scheme(name, precision) for name in GRAPHS_OF)
    return tuple(_case(graph) for graph in graphs if precision in graph.precision)


def _case(graph: Graph) -> Case:
    manifest, xs = graph_manifest(graph), frames(graph, STEPS, seed=11)
    stepper = goldens.definition(graph)
    states, rows = stepper.initial_state(), []
    for x in xs:
        y, states = stepper.step(x, states)
        rows.append({OUTPUT: y, **states})
    expected = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    return Case(graph, manifest, _integers(manifest, INPUT, xs), expected)


def _integers(manifest: Manifest, name: str, values: np.ndarray) -> np.ndarray:
    numbers = manifest.quantization[name].integers(values) if name in manifest.quantization else values
    return numbers.astype(manifest.dtype(name))


def compared(processor: Processor, precision: str) -> dict[str, Any]:
    """Compile all cases of a precision to one program, run it, and compare every result of every step.

    Raises:
        BoardError: a self-test fails, or a result differs by more than is promised.
        MissingProgramError: qemu or ziglang is not installed.
    """
    all_cases, runner = cases(precision), emulator(processor)
    order = ">" if processor.machine in BIG_ENDIAN else "<"
    place = _program(processor, precision, program([case.graph for case in all_cases]))
    sent = b"".join(_sent(case, order) for case in all_cases)
    done = subprocess.run([*runner, str(place)], input=sent, capture_output=True, check=False)
    if done.returncode:
        raise BoardError(
            f"{processor.title} in {precision}: the program ends with {done.returncode} {done.stderr.decode()[-300:]}"
        )
    return _compared(f"{processor.title} in {precision}", all_cases, done.stdout, order)


def _program(processor: Processor, precision: str, source: str) -> Path:
    """The program of a source, compiled once."""
    if not find_spec("ziglang"):
        raise MissingProgramError("ziglang is not installed: pip install 'edgernn[native]'")
    zig = (sys.executable, "-m", "ziglang", "cc")
    options = ("-target", processor.triple, f"-mcpu={processor.cpu}", "-static")

    def compiled(place: Path) -> None:
        (place / "program").write_bytes(executable({"main.c": source}, Compiler(zig, options)))
        (place / "program").chmod(0o755)

    name = f"{processor.machine}-{processor.cpu}-{precision}"
    return debian.cached(CACHE / "programs", name, (source, options, version("ziglang")), compiled) / "program"


def _sent(case: Case, order: str) -> bytes:
    """The number of steps; then for each whether it starts from rest, and its frame, in the processor's byte order."""
    count = np.array(len(case.frames), f"{order}u4").tobytes()
    xs = case.frames.astype(case.frames.dtype.newbyteorder(order))
    return count + b"".join(bytes([step == 0]) + x.tobytes() for step, x in enumerate(xs))


def _compared(subject: str, all_cases: tuple[Case, ...], output: bytes, order: str) -> dict[str, Any]:
    """How many graphs and results were compared, how many with the same bits, and the largest error of the others."""
    at, results, exact, worst = 0, 0, 0, 0.0
    for case in all_cases:
        names = (OUTPUT, *case.manifest.states)
        kinds = [np.dtype(case.manifest.dtype(name)).newbyteorder(order) for name in names]
        row = np.dtype([(str(i), kind, case.expected[name].shape[1:]) for i, (name, kind) in enumerate(zip(names, kinds, strict=True))])  # fmt: skip
        rows = np.frombuffer(output, row, len(case.frames), at)
        at += rows.nbytes
        for i, name in enumerate(names):
            actual, expected = rows[str(i)].astype(row[i].base.newbyteorder("=")), case.expected[name]
            if case.manifest.same_bits == "all" or (case.manifest.same_bits and name != OUTPUT):
                error = np.abs(actual - _integers(case.manifest, name, expected)).max()
                bound, exact = 0.0, exact + actual.size
            else:
                error, bound = np.abs(actual - expected).max(), SIZE * max(1.0, float(np.abs(expected).max()))
                worst = max(worst, float(error))
            if not error <= bound:
                raise BoardError(f"{subject}, {case.graph.layers[0].name}: {name} is {error:g} off; expected {bound:g}")
            results += actual.size
    if at != len(output):
        raise BoardError(f"{subject} answered {len(output)} bytes; expected {at}")
    return {"models": len(all_cases), "results": results, "exact": exact, "error": worst}
