"""Choosing among candidates: which of them no other beats, and which one wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt

TIE = 0.02  # of the faster step: less than what a machine in use can tell


@dataclass(frozen=True)
class Candidate:
    """One way to run a model.

    Attributes:
        plan: what was pruned, as people write it; "" for nothing.
        scheme: "fp32", or one of edgernn.model.tensor.SCHEMES.
        runtime: the title of one of edgernn.train.compare.race.raced.
        metric: what its artifact is worth.
        drop: how much less that is than the model's, in points as `lost` counts; below 0 for more.
        bytes: of its artifact.
        step_us: what a step of it takes.
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
        """What people call it."""
        return f"{f'{self.plan} ' if self.plan else ''}{self.scheme} on {self.runtime}"


PREFERENCES = ("latency", "bytes")


def lost(before: float, after: float, better: str) -> float:
    """How much worse a metric became, in points: of a share, hundredths; of an error, hundredths of what it was.

    Rounded to a millionth, so that a bound is met by what is said to be at it.

    Args:
        before, after: what it was, and what it is.
        better: "maximize" for a share such as the accuracy, "minimize" for an error.
    """
    if better == "maximize":
        return round(100 * (before - after), 6)
    if before == 0:
        return inf if after > 0 else 0.0
    return round(100 * (after - before) / before, 6)


def allowed(bound: float) -> None:
    """Know that a bound on `lost` is one.

    Raises:
        UsageError: it is below 0, or no number.
    """
    if not bound >= 0:
        raise UsageError(f"a drop of {bound} points arrived; expected a number from 0 on, such as 0.5")


def front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Those that no other equals in bytes, step and drop and beats in one of them; V. Pareto's optimum."""
    return tuple(each for each in candidates if not any(_beats(other, each) for other in candidates))


def winner(candidates: Sequence[Candidate], prefer: str = "latency") -> Candidate:
    """The best one by latency, or by bytes.

    By latency: those within TIE of the fastest, of these the smallest, of these the one that loses least. By bytes: the
    smallest, of these the fastest.

    Raises:
        UsageError: another preference.
    """
    if prefer not in PREFERENCES:
        raise UsageError(f"nothing is chosen by '{prefer}'; {misspelt(prefer, PREFERENCES)}")
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
