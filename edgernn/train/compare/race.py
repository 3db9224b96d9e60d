"""A model before and after it was made smaller, side by side on every runtime of this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from edgernn.artifact.rnn import dumps
from edgernn.device.runtimes import RUNTIMES, Runtime
from edgernn.errors import CompilerError, MissingExtraError, UnsupportedError
from edgernn.files import temporary
from edgernn.interpreters.count import count
from edgernn.interpreters.numpy import random_frames
from edgernn.latency.steps import ROUNDS, STEPS_PER_ROUND, interleaved
from edgernn.model.graph import Graph
from edgernn.model.tensor import Tensor
from edgernn.model.window import Window
from edgernn.process import interrupt
from edgernn.runtime.program import Program, open as open_program
from edgernn_export.targets import TARGETS
from edgernn_export.targets.c.pack import sparse_blocks
from edgernn_export.translate import export

FEW = 0.05  # the part of zeros that may be there by chance
GAIN = 1.05  # a step that is less than this much faster is called as fast


@dataclass(frozen=True)
class Size:
    """What a model takes.

    Attributes:
        parameters: numbers in all its weights.
        zeros: weights of `matrices` that are zero.
        macs: multiply-adds of a step, those with a zero too.
        bytes: of its .rnn file.
        precision: of its weights.
    """

    parameters: int
    zeros: int
    macs: int
    bytes: int
    precision: str


@dataclass(frozen=True)
class Race:
    """One runtime.

    Attributes:
        runtime: the title of one of `raced`.
        backend: the package that ran it, with its version; "" when it could not be measured.
        before_us, after_us: medians of the rounds, of one step as Python calls it, guard and state included.
        faster: the median, round by round, of before / after.
        note: why there are no figures; or what becomes of the zeros, when there are some.
    """

    runtime: str
    backend: str = ""
    before_us: float | None = None
    after_us: float | None = None
    faster: float | None = None
    note: str = ""


def raced() -> dict[str, Runtime]:
    """Title -> runtime: for each suffix that a target writes, the runtime that is preferred."""
    preferred: dict[str, Runtime] = {}
    for runtime in RUNTIMES.values():
        if runtime.suffix in TARGETS:
            preferred.setdefault(runtime.suffix, runtime)
    return {runtime.title: runtime for runtime in preferred.values()}


@interrupt.deferred()
def versus(before: Graph, after: Graph, rounds: int = ROUNDS, turn: int = STEPS_PER_ROUND) -> tuple[Race, ...]:
    """Time one step of two graphs on each runtime here, all of them in turn.

    Args:
        before, after: with inputs of one width.
        rounds, turn: `rounds` and `count` as edgernn.latency.steps.interleaved takes them.

    Raises:
        ParityError: an artifact that does not answer as its graph does.
    """
    programs: dict[str, tuple[Program, Program]] = {}
    notes: dict[str, str] = {}
    runtimes = raced()
    for title, runtime in runtimes.items():
        interrupt.check()
        try:
            programs[title] = (program(before, runtime.suffix), program(after, runtime.suffix))
        except (UnsupportedError, MissingExtraError, CompilerError) as error:
            notes[title] = f"not measured: {error}"
    steps = {
        f"{title} {k}": step(program, graph)
        for title, pair in programs.items()
        for k, (program, graph) in enumerate(zip(pair, (before, after), strict=True))
    }
    took = interleaved(steps, rounds, turn) if steps else []
    return tuple(
        _race(title, programs[title][1].backend, took, _zeros(runtime, after))
        if title in programs
        else Race(title, note=notes[title])
        for title, runtime in runtimes.items()
    )


def matrices(graph: Graph) -> tuple[Tensor, ...]:
    """The matrices of affines outside of feature cells: what a pattern of zeros is put into."""
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    operations = [op for name, said in graph.layer_traces.items() if name not in exact for op in said.operations]
    return tuple(dict.fromkeys(op.args[0] for op in operations if op.name == "affine"))


def zeros(graph: Graph) -> int:
    """The weights of `matrices` that are zero."""
    return sum(int(np.sum(tensor.stored == 0)) for tensor in matrices(graph))


def size(graph: Graph) -> Size:
    """What a graph takes, counted and not estimated."""
    cost = count(graph)
    return Size(cost.parameters, zeros(graph), cost.macs, len(dumps(graph)), graph.precision)


def advice(races: tuple[Race, ...]) -> str:
    """What the measured steps say, in a sentence, and nothing else."""
    before = [(race.before_us, race.runtime) for race in races if race.before_us is not None]
    after = [(race.after_us, race.runtime, race.faster) for race in races if race.after_us is not None]
    if not before or not after:
        return "no runtime could be measured here, so nothing is said of speed"
    (old, where), (new, best, faster) = min(before), min(after)
    ratio = faster if where == best and faster is not None else old / new  # the table's own, when there is one
    fastest = f"the fastest step here was {old:.2f} us on {where} and is {new:.2f} us on {best}"
    if ratio >= GAIN:
        return f"{fastest}, {ratio:.2f} x faster: use it there"
    return f"{fastest}: it is no faster, so use it where its size counts, and not for speed"


def program(model: Graph | Window, suffix: str) -> Program:
    """A model on the runtime of a suffix, as `export` writes it and `edgernn.open` opens it; no file is left.

    Raises:
        EdgernnError: as both say.
    """
    with temporary.directory() as folder:
        path = folder / f"step{suffix}"
        export(model, path)
        return open_program(path)


def step(program: Program, graph: Graph) -> Callable[[], object]:
    """What is timed: one step of an artifact on a random frame, as Python calls it, guard and state included."""
    frame, stream = random_frames(graph.inputs, graph.vocabulary_size, 1)[0], program.stream()
    return lambda: stream.step(frame)


def _race(runtime: str, backend: str, took: list[dict[str, float]], note: str) -> Race:
    before, after = ([each[f"{runtime} {k}"] for each in took] for k in (0, 1))
    faster = median(old / new for old, new in zip(before, after, strict=True))
    return Race(runtime, backend, round(median(before), 3), round(median(after), 3), round(faster, 3), note)


def _zeros(runtime: Runtime, graph: Graph) -> str:
    if zeros(graph) < FEW * sum(tensor.stored.size for tensor in matrices(graph)):
        return ""
    if not runtime.sparse:
        return "cannot use zeros: it computes them too"
    passed = sum(sparse_blocks(each) is not None for each in matrices(graph))
    if passed:
        return f"passes over blocks of zeros in {passed} of {len(matrices(graph))} matrices"
    return "computes the zeros too: they stand in no blocks of 16 x 4 in int8 or 16 x 1 in float32, or are too few"
