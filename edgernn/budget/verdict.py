"""A latency budget, and what a run of steps says of it: passed, failed, or too little to tell."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, inf, isfinite
from types import MappingProxyType

from edgernn.budget.binomial import FAIL, NO_VERDICT, PASS, above, allowed, below, last, needed, refused
from edgernn.budget.bursts import dependence, in_a_row
from edgernn.errors import UsageError

CLEAN = 10  # times N(0): the fewest steps that can pass, for a run without a miss cannot know of bursts

ROUNDING = 1e-9  # of a quotient of whole numbers that is one itself

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99)  # which people ask for

UNITS: Mapping[str, float] = MappingProxyType({"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0})
RATES: Mapping[str, float] = MappingProxyType({"Hz": 1e6, "kHz": 1e3})  # one over it, in microseconds


@dataclass(frozen=True)
class Budget:
    """What a source of frames asks of a step.

    Attributes:
        period_us: from one frame to the next, T.
        deadline_us: from a frame to its answer, D; the period unless given, and never more: nothing holds a frame
            longer than until the next one.
        percentile: of all steps that must be in time, in percent.
        confidence: with which it must be known, as a share.

    Raises:
        UsageError: one of them cannot be.
    """

    period_us: float
    deadline_us: float = inf
    percentile: float = 99.0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("period_us", "deadline_us", "percentile", "confidence"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise UsageError(f"{name} is {value!r}; expected a number")
        if not (isfinite(self.period_us) and self.period_us > 0):
            raise UsageError(f"the period is {self.period_us:g} us; expected the time between two frames, above 0")
        if self.deadline_us == inf:
            object.__setattr__(self, "deadline_us", self.period_us)
        if not self.deadline_us > 0:
            raise UsageError(f"the deadline is {self.deadline_us:g} us; expected a time above 0")
        if self.deadline_us > self.period_us:
            raise UsageError(
                f"the deadline of {self.deadline_us:g} us lies beyond the period of {self.period_us:g} us, when the "
                "next frame takes the buffer; give at most the period"
            )
        if not 50 <= self.percentile < 100:
            raise UsageError(
                f"the percentile is {self.percentile:g}; expected at least 50 and less than 100, in percent, such as "
                "99: no number of steps shows that not one is ever late"
            )
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"the confidence is {self.confidence:g}; expected at least 0.5 and less than 1")

    @property
    def p(self) -> float:
        """The share of all steps that must be in time."""
        return self.percentile / 100

    @property
    def steps(self) -> int:
        """The fewest steps that can pass."""
        return CLEAN * needed(0, self.p, self.confidence)


@dataclass(frozen=True)
class Evaluation:
    """What a run says of a budget.

    Attributes:
        verdict: PASS, FAIL or NO_VERDICT.
        steps, misses: how many there were, and how many answered after the deadline.
        longest: misses in a row, at most.
        dependence: how many steps of the run are worth one that stands for itself, 1 or more.
        so_few, so_many: the probability of at most, and of at least, as many misses if exactly the share that the
            budget allows were late: PASS needs the first, and FAIL the second, to be at most 1 - confidence.
        value_us: the response at the budget's percentile, the nearest rank.
        low_us, high_us: where the percentile of all steps lies: below it, and above it, with the budget's confidence
            each. None where the steps are too few to say.
        more: steps in time that would decide, where there is no verdict.
    """

    verdict: str
    steps: int
    misses: int
    longest: int
    dependence: float
    so_few: float
    so_many: float
    value_us: float
    low_us: float | None
    high_us: float | None
    more: int = 0


def evaluate(responses_us: Sequence[float], budget: Budget) -> Evaluation:
    """Hold the responses of a run, in the order of its steps, against a budget.

    Raises:
        UsageError: there are none.
    """
    if not len(responses_us):
        raise UsageError("no step was measured; one at least must be")
    ordered = sorted(responses_us)
    late = [response > budget.deadline_us for response in responses_us]
    return judgement(ordered, sum(late), in_a_row(late), dependence(late), budget)


def judgement(ordered: Sequence[float], misses: int, longest: int, factor: float, budget: Budget) -> Evaluation:
    """What the responses of a run say, given in their order of size, with what their order in time came to."""
    n = len(ordered)
    said = decide(n, misses, factor, budget)
    return Evaluation(
        said,
        n,
        misses,
        longest,
        factor,
        *chances(n, misses, factor, budget),
        at(ordered, budget.percentile),
        *interval(ordered, factor, budget),
        more(n, misses, factor, budget) if said == NO_VERDICT else 0,
    )


def decide(n: int, k: int, factor: float, budget: Budget) -> str:
    """The verdict of k misses in n steps, of which `factor` are worth one that stands for itself."""
    most, least = limits(n, factor, budget)
    if n >= budget.steps and k <= most:
        return PASS
    return FAIL if k >= least else NO_VERDICT


def limits(n: int, factor: float, budget: Budget) -> tuple[int, int]:
    """The most misses that pass, -1 where none do, and the fewest that fail, more than n where none do.

    n and the misses are divided by the factor, and rounded against whatever the verdict would be.
    """
    p, c = budget.p, budget.confidence
    most, least = allowed(_down(n / factor), p, c), refused(_up(n / factor), p, c)
    return (_down(most * factor) if most >= 0 else -1), _up(least * factor)


def chances(n: int, k: int, factor: float, budget: Budget) -> tuple[float, float]:
    """How probable at most, and at least, k misses are by chance where just the share that is allowed is late."""
    q = 1 - budget.p
    return below(_up(k / factor), _down(n / factor), q), above(_down(k / factor), _up(n / factor), q)


def by_chance(said: Evaluation, budget: Budget) -> float:
    """How probable the misses would be by chance alone if the verdict, PASS or FAIL, were just wrong.

    A run without a miss knows nothing of bursts; they are taken to be of CLEAN steps.
    """
    if said.verdict == FAIL:
        return said.so_many
    return said.so_few if said.misses else chances(said.steps, 0, CLEAN, budget)[0]


def _down(value: float) -> int:
    """The floor; what lacks no more than rounding does is whole."""
    return floor(value + ROUNDING)


def _up(value: float) -> int:
    """The ceiling, likewise."""
    return ceil(value - ROUNDING)


def more(n: int, k: int, factor: float, budget: Budget) -> int:
    """How many steps in time would make a pass of a run that has no verdict."""
    enough = _up(factor * needed(_up(k / factor), budget.p, budget.confidence))
    return max(enough, budget.steps) - n


def interval(ordered: Sequence[float], factor: float, budget: Budget) -> tuple[float | None, float | None]:
    """The two responses, of all in their order, that match the verdict.

    The percentile passes exactly when the upper is in time (but for the rule of the fewest steps), and fails exactly
    when the lower is late.
    """
    n = len(ordered)
    most, least = limits(n, factor, budget)
    return (ordered[n - least] if least <= n else None), (ordered[n - 1 - most] if 0 <= most < n else None)


def passing(
    ordered: Sequence[float], budget: Budget, evaluated: Callable[[Budget], Evaluation]
) -> tuple[float | None, float | None]:
    """What a run would have passed: (a deadline at its percentile, the highest of PERCENTILES at its deadline).

    The deadline is one of the responses, and as a rule the least that passes; None where there is none within the
    period. A budget chosen after a run needs a run of its own.

    Args:
        ordered: its responses in their order of size.
        budget: that it was meant for.
        judged: what it says of another budget.
    """
    n = len(ordered)

    def passes(misses: int) -> bool:
        deadline = ordered[n - 1 - misses]
        return 0 < deadline <= budget.period_us and evaluated(replace(budget, deadline_us=deadline)).verdict == PASS

    found = last(allowed(n, budget.p, budget.confidence), passes) if n >= budget.steps else -1
    said = evaluated(budget)
    reached = [
        each
        for each in PERCENTILES
        if decide(n, said.misses, said.dependence, replace(budget, percentile=each)) == PASS
    ]
    return (ordered[n - 1 - found] if found >= 0 else None), max(reached, default=None)


def at(ordered: Sequence[float], percent: float) -> float:
    """The smallest of all in their order that this percentage does not exceed (nearest rank)."""
    return ordered[min(max(ceil(percent / 100 * len(ordered)), 1), len(ordered)) - 1]


def microseconds(text: str) -> float:
    """A time such as "10ms", "250us" or "0.01s", or the period of a rate such as "44.1kHz", in microseconds.

    Raises:
        UsageError: it is neither.
    """
    said = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-zA-Zµ]+)\s*", text)
    if not said or said[2] not in {*UNITS, *RATES}:
        raise UsageError(f"'{text}' is no time; write a number and its unit, such as 10ms, 250us, 0.01s or 44.1kHz")
    number, unit = float(said[1]), said[2]
    if unit in UNITS:
        return number * UNITS[unit]
    if not number:
        raise UsageError(f"a rate of '{text}' has no frames; expected one above 0")
    return RATES[unit] / number
