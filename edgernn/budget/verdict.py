"""A latency budget, and its evaluation on the responses of a run: PASS, FAIL or NO VERDICT."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, inf, isfinite
from types import MappingProxyType

from edgernn.budget.binomial import (
    FAIL,
    NO_VERDICT,
    PASS,
    cdf,
    fewest_failing_misses,
    last_true,
    most_passing_misses,
    steps_needed,
    upper_tail,
)
from edgernn.budget.bursts import dependence, longest_run
from edgernn.errors import UsageError

ASSUMED_BURST = 10  # steps: a run without misses does not show how long bursts are; a pass needs as many times N(0)

ROUNDING = 1e-9  # tolerance for quotients that are whole numbers in exact arithmetic

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99)  # usual in budgets

UNITS: Mapping[str, float] = MappingProxyType({"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0})
RATES: Mapping[str, float] = MappingProxyType({"Hz": 1e6, "kHz": 1e3})  # unit -> period of one, in microseconds


@dataclass(frozen=True)
class Budget:
    """The latency that a source of frames requires of a step.

    Attributes:
        period_us: time between frames, T.
        deadline_us: time from a frame to its output, D. The default and the maximum is the period: the next frame
            overwrites the buffer.
        percentile: percentage of steps that must be in time.
        confidence: confidence of a verdict, as a share.

    Raises:
        UsageError: a value is out of range or not a number.
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
                f"the deadline of {self.deadline_us:g} us exceeds the period of {self.period_us:g} us, after which the "
                "next frame overwrites the buffer; give at most the period"
            )
        if not 50 <= self.percentile < 100:
            raise UsageError(
                f"the percentile is {self.percentile:g}; expected at least 50 and less than 100, in percent, such as "
                "99: no number of steps shows that a step is never late"
            )
        if not 0.5 <= self.confidence < 1:
            raise UsageError(f"the confidence is {self.confidence:g}; expected at least 0.5 and less than 1")

    @property
    def p(self) -> float:
        """The share of steps that must be in time."""
        return self.percentile / 100

    @property
    def steps(self) -> int:
        """The fewest steps that can pass."""
        return ASSUMED_BURST * steps_needed(0, self.p, self.confidence)


@dataclass(frozen=True)
class BudgetEvaluation:
    """The evaluation of a budget on a run.

    Attributes:
        verdict: PASS, FAIL or NO_VERDICT.
        steps, misses: number of steps, and of those that finished after the deadline.
        longest_run: largest number of consecutive misses.
        dependence: number of steps that carry the information of one independent step, 1 or more.
        p_value_pass, p_value_fail: probabilities of at most, and of at least, this many misses if exactly the allowed
            share were late. PASS requires the first, and FAIL the second, to be at most 1 - confidence.
        value_us: the response at the budget's percentile, by nearest rank.
        low_us, high_us: confidence bounds of that percentile of all steps, each with the budget's confidence; None if
            there are too few steps.
        steps_to_pass: number of further steps in time that would pass; 0 if there is a verdict.
    """

    verdict: str
    steps: int
    misses: int
    longest_run: int
    dependence: float
    p_value_pass: float
    p_value_fail: float
    value_us: float
    low_us: float | None
    high_us: float | None
    steps_to_pass: int = 0


def evaluate(responses_us: Sequence[float], budget: Budget) -> BudgetEvaluation:
    """Evaluate a budget on the responses of a run, in the order of the steps.

    Raises:
        UsageError: there are no responses.
    """
    if not len(responses_us):
        raise UsageError("no step was measured; at least one is needed")
    ordered = sorted(responses_us)
    missed = [response > budget.deadline_us for response in responses_us]
    return evaluate_sorted(ordered, sum(missed), longest_run(missed), dependence(missed), budget)


def evaluate_sorted(
    ordered: Sequence[float], misses: int, longest: int, factor: float, budget: Budget
) -> BudgetEvaluation:
    """Evaluate a budget on sorted responses.

    Args:
        ordered: the responses, ascending.
        misses: number of misses.
        longest: largest number of consecutive misses.
        factor: dependence of the misses in time.
        budget: the budget.
    """
    n = len(ordered)
    verdict = decide(n, misses, factor, budget)
    return BudgetEvaluation(
        verdict,
        n,
        misses,
        longest,
        factor,
        *p_values(n, misses, factor, budget),
        nearest_rank(ordered, budget.percentile),
        *interval(ordered, factor, budget),
        steps_to_pass(n, misses, factor, budget) if verdict == NO_VERDICT else 0,
    )


def decide(n: int, k: int, factor: float, budget: Budget) -> str:
    """The verdict on k misses in n steps, if `factor` steps carry the information of one independent step."""
    most, least = limits(n, factor, budget)
    if n >= budget.steps and k <= most:
        return PASS
    return FAIL if k >= least else NO_VERDICT


def limits(n: int, factor: float, budget: Budget) -> tuple[int, int]:
    """The most misses that pass (-1 if none do), and the fewest that fail (more than n if none do).

    Steps and misses are divided by the factor, and rounded against the verdict.
    """
    p, c = budget.p, budget.confidence
    most = most_passing_misses(_floor(n / factor), p, c)
    least = fewest_failing_misses(_ceil(n / factor), p, c)
    return (_floor(most * factor) if most >= 0 else -1), _ceil(least * factor)


def p_values(n: int, k: int, factor: float, budget: Budget) -> tuple[float, float]:
    """The probabilities of at most, and of at least, k misses if exactly the allowed share were late."""
    q = 1 - budget.p
    return cdf(_ceil(k / factor), _floor(n / factor), q), upper_tail(_floor(k / factor), _ceil(n / factor), q)


def p_value(evaluation: BudgetEvaluation, budget: Budget) -> float:
    """The p-value of a PASS or FAIL.

    A run without misses does not show how long bursts are; bursts of ASSUMED_BURST steps are assumed for it.
    """
    if evaluation.verdict == FAIL:
        return evaluation.p_value_fail
    return evaluation.p_value_pass if evaluation.misses else p_values(evaluation.steps, 0, ASSUMED_BURST, budget)[0]


def _floor(value: float) -> int:
    """The floor, except that a value just below a whole number is rounded to it."""
    return floor(value + ROUNDING)


def _ceil(value: float) -> int:
    """The ceiling, except that a value just above a whole number is rounded to it."""
    return ceil(value - ROUNDING)


def steps_to_pass(n: int, k: int, factor: float, budget: Budget) -> int:
    """The number of further steps in time with which a run without a verdict would pass."""
    enough = _ceil(factor * steps_needed(_ceil(k / factor), budget.p, budget.confidence))
    return max(enough, budget.steps) - n


def interval(ordered: Sequence[float], factor: float, budget: Budget) -> tuple[float | None, float | None]:
    """The confidence bounds of the percentile, as two of the sorted responses. They agree with the verdict.

    A run passes exactly if the upper bound is in time (and there are at least `budget.steps` steps), and fails exactly
    if the lower bound is late.
    """
    n = len(ordered)
    most, least = limits(n, factor, budget)
    return (ordered[n - least] if least <= n else None), (ordered[n - 1 - most] if 0 <= most < n else None)


def passing_budget(
    ordered: Sequence[float], budget: Budget, evaluator: Callable[[Budget], BudgetEvaluation]
) -> tuple[float | None, float | None]:
    """The budget that a run would have passed: a deadline at its percentile, and a percentile at its deadline.

    The deadline is one of the responses, usually the smallest that passes, and at most the period. The percentile is
    the highest of PERCENTILES that passes. Each is None if there is none. A budget chosen after a run needs a new run.

    Args:
        ordered: the responses, ascending.
        budget: the budget of the run.
        evaluator: evaluates another budget on the run.
    """
    n = len(ordered)

    def passes(misses: int) -> bool:
        deadline = ordered[n - 1 - misses]
        return 0 < deadline <= budget.period_us and evaluator(replace(budget, deadline_us=deadline)).verdict == PASS

    most = most_passing_misses(n, budget.p, budget.confidence)
    misses = last_true(most, passes) if n >= budget.steps else -1
    evaluation = evaluator(budget)
    percentiles = [
        each
        for each in PERCENTILES
        if decide(n, evaluation.misses, evaluation.dependence, replace(budget, percentile=each)) == PASS
    ]
    return (ordered[n - 1 - misses] if misses >= 0 else None), max(percentiles, default=None)


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """The percentile of sorted values by nearest rank: the smallest value that `percent` of all do not exceed."""
    return ordered[min(max(ceil(percent / 100 * len(ordered)), 1), len(ordered)) - 1]


def microseconds(text: str) -> float:
    """A time such as "10ms", "250us" or "0.01s", or the period of a rate such as "44.1kHz", in microseconds.

    Raises:
        UsageError: it is neither.
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-zA-Zµ]+)\s*", text)
    if not match or match[2] not in {*UNITS, *RATES}:
        raise UsageError(f"'{text}' is not a time; write a number and its unit, such as 10ms, 250us, 0.01s or 44.1kHz")
    number, unit = float(match[1]), match[2]
    if unit in UNITS:
        return number * UNITS[unit]
    if not number:
        raise UsageError(f"a rate of '{text}' has no frames; expected a rate above 0")
    return RATES[unit] / number
