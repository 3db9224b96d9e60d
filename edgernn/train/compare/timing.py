"""Steps timed side by side on this machine: all in turn, many times, so that a machine that drifts decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median
from typing import Any

from numpy.typing import NDArray

from edgernn.latency.steps import ROUNDS, STEPS_PER_ROUND, interleaved
from edgernn.model.window import Window
from edgernn.train.compare.race import program
from edgernn.train.convert import Model

Array = NDArray[Any]


@dataclass(frozen=True)
class Timed:
    """One contender: the median of its rounds, and how many times longer than the fastest, as `ratios` says."""

    step_us: float
    ratio: float


@dataclass(frozen=True)
class Contender:
    """What is timed: a call, and how many frames it answers."""

    call: Callable[[], object]
    frames: int = 1


def contender(model: Model, window: Array) -> Contender:
    """One step of a model compiled for this machine, as Python calls it, guard and state included; or a whole window.

    Args:
        model: what can stream is compiled; what reads both ways runs on ONNX Runtime.
        window: a sequence as long as those that it reads, (time, inputs).

    Raises:
        CompilerError: there is no C compiler, or it fails.
    """
    if isinstance(model, Window):
        whole = program(model, ".onnx")
        return Contender(lambda: whole.run(window), len(window))
    stream = program(model, ".so").stream()
    return Contender(lambda: stream.step(window[0]))


def time_interleaved(
    contenders: Mapping[str, Contender], rounds: int = ROUNDS, count: int = STEPS_PER_ROUND
) -> dict[str, Timed]:
    """Time every contender in every round, a frame of each.

    Args:
        contenders: by name.
        rounds: at least 2.
        count: calls of each contender in a round.
    """
    took = [
        {name: us / contenders[name].frames for name, us in each.items()}
        for each in interleaved({name: each.call for name, each in contenders.items()}, rounds, count)
    ]
    ratio = ratios(took)
    return {name: Timed(round(median(each[name] for each in took), 3), round(ratio[name], 3)) for name in contenders}


def ratios(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """How many times longer each takes than the fastest of them, whose ratio is 1.

    A round counts by what each took of its geometric mean: one in which the machine was slow for all of them says what
    a quick one says, and every ratio is of the same measure.

    Args:
        rounds: at least one; in each the time of every contender, above 0, in any unit.
    """
    means = [geometric_mean(each.values()) for each in rounds]
    typical = {name: median(each[name] / mean for each, mean in zip(rounds, means, strict=True)) for name in rounds[0]}
    least = min(typical.values())
    return {name: value / least for name, value in typical.items()}
