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

Step = Callable[[], object]

ROUNDS = 11  # the first is a warm-up and does not count
STEPS = 300  # of each contender in a round


@dataclass(frozen=True)
class Timed:
    """One contender: the median of its rounds, and the median of its ratios to the fastest, round by round."""

    step_us: float
    ratio: float


def compiled(graph: Graph) -> Step:
    """One step of a graph compiled for this machine, as Python calls it: guard and state included.

    Raises:
        CompilerError: there is no C compiler, or it fails.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "step.so")
        export(graph, path)
        stream = open_program(path).stream()
    frame = random_frames(graph.inputs, graph.rows, 1)[0]
    return lambda: stream.step(frame)


def contest(steps: Mapping[str, Step], rounds: int = ROUNDS, count: int = STEPS) -> dict[str, Timed]:
    """Time every contender in every round.

    Args:
        steps: name -> what to time.
        rounds: at least 2.
        count: steps of each contender in a round, after its warm-up.
    """
    took = [{name: back_to_back(step, count).p50_us for name, step in steps.items()} for _ in range(rounds)][1:]
    typical = {name: median(each[name] for each in took) for name in steps}
    fastest = min(typical, key=typical.__getitem__)
    return {
        name: Timed(round(typical[name], 3), round(median(each[name] / each[fastest] for each in took), 3))
        for name in steps
    }
