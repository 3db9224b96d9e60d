"""A race: a model before and after compression, timed side by side on every runtime of this machine."""

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

FEW = 0.05  # a smaller part of zeros may occur by chance
GAIN = 1.05  # a smaller ratio does not count as faster


@dataclass(frozen=True)
class Size:
    """The size of a model.

    Attributes:
        parameters: the number of weights.
        zeros: the number of zeros among the weights of `matrices`.
        macs: multiply-adds of a step, including those with a zero.
        bytes: the size of its .rnn file.
        precision: the precision of its weights.
    """

    parameters: int
    zeros: int
    macs: int
    bytes: int
    precision: str


@dataclass(frozen=True)
class Race:
    """The result on one runtime.

    Attributes:
        runtime: the title of one of `raced`.
        backend: the package with its version; "" if the step was not measured.
        before_us, after_us: the medians of the rounds of one step called from Python, with input checks and state.
        faster: the median over the rounds of before / after.
        note: why nothing was measured; or how the runtime handles zeros, if the model has any.
    """

    runtime: str
    backend: str = ""
    before_us: float | None = None
    after_us: float | None = None
    faster: float | None = None
    note: str = ""


def raced() -> dict[str, Runtime]:
    """Title -> runtime: the preferred runtime of each suffix that a target writes."""
    preferred: dict[str, Runtime] = {}
    for runtime in RUNTIMES.values():
        if runtime.suffix in TARGETS:
            preferred.setdefault(runtime.suffix, runtime)
    return {runtime.title: runtime for runtime in preferred.values()}


@interrupt.deferred()
def race(before: Graph, after: Graph, rounds: int = ROUNDS, turn: int = STEPS_PER_ROUND) -> tuple[Race, ...]:
    """Time one step of two graphs on each runtime of this machine, interleaved.

    Args:
        before, after: the graphs, with equal inputs.
        rounds, turn: `rounds` and `count` of `edgernn.latency.steps.interleaved`.

    Raises:
        ParityError: The outputs of an artifact differ from those of its graph.
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
    """The matrices of affine operations outside feature cells: the weights that can be pruned."""
    exact = {layer.name for layer in graph.layers if layer.cell.exact}
    operations = [op for name, trace in graph.layer_traces.items() if name not in exact for op in trace.operations]
    return tuple(dict.fromkeys(op.args[0] for op in operations if op.name == "affine"))


def zeros(graph: Graph) -> int:
    """The number of zeros among the weights of `matrices`."""
    return sum(int(np.sum(tensor.stored == 0)) for tensor in matrices(graph))


def size(graph: Graph) -> Size:
    """The exact size of a graph."""
    cost = count(graph)
    return Size(cost.parameters, zeros(graph), cost.macs, len(dumps(graph)), graph.precision)


def advice(races: tuple[Race, ...]) -> str:
    """The conclusion from the measured steps, in a sentence."""
    before = [(each.before_us, each.runtime) for each in races if each.before_us is not None]
    after = [(each.after_us, each.runtime, each.faster) for each in races if each.after_us is not None]
    if not before or not after:
        return "no runtime could be measured on this machine, so the speed is unknown"
    (old, where), (new, best, faster) = min(before), min(after)
    ratio = faster if where == best and faster is not None else old / new  # the ratio of the table if there is one
    fastest = f"the fastest step on this machine was {old:.2f} us on {where} and is {new:.2f} us on {best}"
    if ratio >= GAIN:
        return f"{fastest}, {ratio:.2f} x faster: use that runtime"
    return f"{fastest}. It is not faster: use it to save memory, not for speed"


def program(model: Graph | Window, suffix: str) -> Program:
    """Export a model to a temporary file with a suffix, and open it on the runtime of the suffix.

    Raises:
        EdgernnError: See `export` and `edgernn.open`.
    """
    with temporary.directory() as folder:
        path = folder / f"step{suffix}"
        export(model, path)
        return open_program(path)


def step(program: Program, graph: Graph) -> Callable[[], object]:
    """The call to time: one step of an artifact on a random frame, from Python, with input checks and state."""
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
        return "cannot skip zeros: it computes them too"
    passed = sum(sparse_blocks(each) is not None for each in matrices(graph))
    if passed:
        return f"skips blocks of zeros in {passed} of {len(matrices(graph))} matrices"
    return "computes the zeros too: they form no blocks of 16 x 4 in int8 or 16 x 1 in float32, or are too few"
