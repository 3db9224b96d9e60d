"""Steps timed side by side on this machine: all in turn, many times, so that a machine that drifts decides nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from numpy.typing import NDArray

from edgernn.latency.steps import ROUNDS, TURN, in_turn
from edgernn.train.convert import Model
from edgernn.versus import program
from edgernn.window import Window

Array = NDArray[Any]


@dataclass(frozen=True)
class Timed:
    """One contender: the median of its rounds, and the median of its ratios to the fastest, round by round."""

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


def contest(contenders: Mapping[str, Contender], rounds: int = ROUNDS, count: int = TURN) -> dict[str, Timed]:
    """Time every contender in every round, a frame of each.

    Args:
        contenders: by name.
        rounds: at least 2.
        count: calls of each contender in a round.
    """
    took = [
        {name: us / contenders[name].frames for name, us in each.items()}
        for each in in_turn({name: each.call for name, each in contenders.items()}, rounds, count)
    ]
    typical = {name: median(each[name] for each in took) for name in contenders}
    fastest = min(typical, key=typical.__getitem__)
    return {
        name: Timed(round(typical[name], 3), round(median(each[name] / each[fastest] for each in took), 3))
        for name in contenders
    }
