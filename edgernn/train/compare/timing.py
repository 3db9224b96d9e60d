"""Interleaved timing of steps on this machine, so that a drift of its speed affects all contenders equally."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from edgernn.array import Array
from edgernn.latency.steps import ROUNDS, STEPS_PER_ROUND, interleaved
from edgernn.model.window import Window
from edgernn.train.compare.race import program
from edgernn.train.convert import Model


@dataclass(frozen=True)
class Timed:
    """The timing of one contender: the median of its rounds, and its ratio to the fastest (see `ratios`)."""

    step_us: float
    ratio: float


@dataclass(frozen=True)
class Contender:
    """A call to time, and the number of frames that it processes."""

    call: Callable[[], object]
    frames: int = 1


def contender(model: Model, window: Array) -> Contender:
    """The contender of a model: one compiled step, called from Python with input checks and state; or a whole window.

    Args:
        model: a streaming model, which is compiled; or a window model, which runs on ONNX Runtime.
        window: a sequence (time, inputs) of typical length.

    Raises:
        CompilerError: There is no C compiler, or it fails.
    """
    if isinstance(model, Window):
        whole = program(model, ".onnx")
        return Contender(lambda: whole.run(window), len(window))
    stream = program(model, ".so").stream()
    count = model.frames_per_step
    frames = window[0] if count == 1 else window[:count]
    return Contender(lambda: stream.step(frames), count)


def time_interleaved(
    contenders: Mapping[str, Contender], rounds: int = ROUNDS, count: int = STEPS_PER_ROUND
) -> dict[str, Timed]:
    """Time every contender in every round; return the time per frame.

    Args:
        contenders: the contenders by name.
        rounds: at least 2.
        count: the number of calls of each contender in a round.
    """
    took = [
        {name: us / contenders[name].frames for name, us in each.items()}
        for each in interleaved({name: each.call for name, each in contenders.items()}, rounds, count)
    ]
    ratio = ratios(took)
    return {name: Timed(round(median(each[name] for each in took), 3), round(ratio[name], 3)) for name in contenders}


def ratios(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The ratio of the time of each contender to that of the fastest, whose ratio is 1.

    Times are divided by the geometric mean of their round, so a round on a slow machine has the same weight as a fast
    one, and all ratios have the same reference.

    Args:
        rounds: at least one; each has the time of every contender, above 0, in any unit.
    """
    means = [geometric_mean(each.values()) for each in rounds]
    typical = {name: median(each[name] / mean for each, mean in zip(rounds, means, strict=True)) for name in rounds[0]}
    least = min(typical.values())
    return {name: value / least for name, value in typical.items()}
