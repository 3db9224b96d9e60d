"""The choice among candidates: the Pareto front and the winner."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt

TIE = 0.02  # part of the faster step; smaller differences cannot be measured reliably


@dataclass(frozen=True)
class Candidate:
    """One way to run a model.

    Attributes:
        plan: what was pruned, in the syntax of the command; "" for nothing.
        scheme: "fp32", or one of edgernn.model.tensor.SCHEMES.
        runtime: the title of one of edgernn.train.compare.race.raced.
        metric: the metric of its artifact.
        drop: the loss of the metric in points (see `metric_drop`); below 0 for a gain.
        bytes: the size of its artifact.
        step_us: the time of a step.
    """

    plan: str
    scheme: str
    runtime: str
    metric: float
    drop: float
    bytes: int
    step_us: float

    @property
    def name(self) -> str:
        """The name for messages and tables."""
        return f"{f'{self.plan} ' if self.plan else ''}{self.scheme} on {self.runtime}"


PREFERENCES = ("latency", "bytes")


def pareto_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The Pareto front by bytes, step and drop."""
    return tuple(each for each in candidates if not any(_beats(other, each) for other in candidates))


def choose_winner(candidates: Sequence[Candidate], prefer: str = "latency") -> Candidate:
    """The best candidate by latency or by bytes.

    By latency: of the candidates within TIE of the fastest, the smallest, then the one with the smallest drop. By
    bytes: the smallest, then the fastest.

    Raises:
        UsageError: The preference does not exist.
    """
    if prefer not in PREFERENCES:
        raise UsageError(f"there is no preference '{prefer}'; {misspelt(prefer, PREFERENCES)}")
    if prefer == "bytes":
        return min(candidates, key=_figures)
    fastest = min(each.step_us for each in candidates)
    near = [each for each in candidates if each.step_us <= fastest * (1 + TIE)]
    return min(near, key=lambda each: (each.bytes, each.drop, each.step_us))


def _figures(each: Candidate) -> tuple[float, float, float]:
    return each.bytes, each.step_us, each.drop


def _beats(one: Candidate, other: Candidate) -> bool:
    ours, theirs = _figures(one), _figures(other)
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))
