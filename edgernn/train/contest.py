"""Steps timed side by side on this machine: all in turn, many times, so that a machine that drifts decides nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from edgernn.graph import Graph
from edgernn.latency import back_to_back
from edgernn.readings.numpy import random_frames
from edgernn.runtime import open as open_program
from edgernn_export.translate import export

ROUNDS = 11  # the first is a warm-up and does not count
STEPS = 300  # of each contender in a round
WINDOW = 100  # frames, where a model takes whole windows only


@dataclass(frozen=True)
class Contender:
    """What is timed, and how many frames it takes at once."""

    call: Callable[[], object]
    frames: int = 1


@dataclass(frozen=True)
class Timed:
    """One contender: the median of its rounds for each frame, and of its ratios to the fastest, round by round."""

    step_us: float
    ratio: float


def compiled(graph: Graph) -> Contender:
    """One step of a graph compiled for this machine, as Python calls it: guard and state included.

    Raises:
        CompilerError: there is no C compiler, or it fails.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "step.so")
        export(graph, path)
        stream = open_program(path).stream()
    frame = random_frames(graph.inputs, graph.rows, 1)[0]
    return Contender(lambda: stream.step(frame))


def whole(path: Path) -> Contender:
    """A window of WINDOW frames through a file that takes nothing else."""
    program = open_program(path)
    frames = random_frames(program.contract.inputs, program.contract.rows, WINDOW)
    return Contender(lambda: program.run(frames), WINDOW)


def contest(contenders: Mapping[str, Contender], rounds: int = ROUNDS, count: int = STEPS) -> dict[str, Timed]:
    """Time every contender in every round.

    Args:
        contenders: by name.
        rounds: at least 2.
        count: calls of each in a round, after its warm-up, that take one frame; fewer of those that take more.
    """
    took = [
        {name: _frame_us(each, max(count // each.frames, 5)) for name, each in contenders.items()}
        for _ in range(rounds)
    ][1:]
    typical = {name: median(each[name] for each in took) for name in contenders}
    fastest = min(typical, key=typical.__getitem__)
    return {
        name: Timed(round(typical[name], 3), round(median(each[name] / each[fastest] for each in took), 3))
        for name in contenders
    }


def _frame_us(contender: Contender, calls: int) -> float:
    return back_to_back(contender.call, calls).p50_us / contender.frames
