"""Whether one artifact is slower than another: interleaved blocks of steps, and a sign test on the ratios of pairs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import exp, inf, log
from types import MappingProxyType

import numpy as np

from edgernn.budget.binomial import NO_VERDICT, sign_test_rank
from edgernn.budget.verdict import nearest_rank
from edgernn.errors import UsageError
from edgernn.latency.arrivals import Times

REGRESSED, OK = "REGRESSED", "OK"

PAIRS, DOUBLINGS = 20, 2
CONFIDENCE = 0.95
PAIRS_PER_PROCESS = 4  # then each runner is started again: its memory layout changes a step by some percent
LEAST_STEPS, MOST_STEPS, BLOCK_US = 200, 100_000, 30_000.0  # of a block of the slower one: its steps and its duration

METRICS: Mapping[str, int] = MappingProxyType({"median": 50, "p95": 95})
"""Metric -> its percentile within a block."""

TOLERANCES: Mapping[str, float] = MappingProxyType({"median": 0.05, "p95": 0.10})
"""Metric -> the relative slowdown that is tolerated."""

EXIT_CODES: Mapping[str, int] = MappingProxyType({OK: 0, REGRESSED: 1, NO_VERDICT: 3})
"""Verdict -> exit code of a command."""

ORDER = ("base", "candidate", "repeat")  # reversed in every second pair (ABBA); "repeat" is the base again, for A/A

Block = Callable[[int], Times]  # number of steps -> the time of each, in nanoseconds
Round = Mapping[str, Mapping[str, float]]  # one of ORDER -> one of METRICS -> us


@dataclass(frozen=True)
class MetricComparison:
    """The comparison of one metric over all pairs. Slowdowns are relative, and negative if the candidate is faster.

    Attributes:
        metric: one of METRICS.
        tolerance: the slowdown that is tolerated.
        base_us, candidate_us: medians over the pairs.
        slower: median slowdown over the pairs.
        low, high: its 95 % confidence interval.
        repeat_low, repeat_high: the same interval of the base against itself. The machine is unfit if it reaches the
            tolerance.
    """

    metric: str
    tolerance: float
    base_us: float
    candidate_us: float
    slower: float
    low: float
    high: float
    repeat_low: float
    repeat_high: float

    @property
    def fit(self) -> bool:
        """Whether the base is as fast as itself, within the tolerance in both directions."""
        return -1 + 1 / (1 + self.tolerance) < self.repeat_low and self.repeat_high < self.tolerance

    @property
    def verdict(self) -> str:
        """REGRESSED, OK or NO_VERDICT."""
        if not self.fit or self.low <= self.tolerance <= self.high:
            return NO_VERDICT
        return REGRESSED if self.low > self.tolerance else OK


@dataclass(frozen=True)
class LatencyComparison:
    """The comparison of two artifacts: the verdict, the number of pairs and steps per block, and every metric."""

    verdict: str
    reason: str  # why there is no verdict; "" if there is one
    pairs: int
    steps: int
    metrics: tuple[MetricComparison, ...]


def regress(
    runners: Callable[[], AbstractContextManager[Mapping[str, Block]]],
    tolerances: Mapping[str, float] = TOLERANCES,
    progress: Callable[[int], None] = lambda _: None,
) -> LatencyComparison:
    """Compare two artifacts. The number of pairs is doubled at most twice while there is no verdict.

    Args:
        runners: starts a fresh runner for each of ORDER, for a few pairs. Each times one block per call.
        tolerances: of each of METRICS, above 0.
        progress: called with the number of pairs before they are run.

    Raises:
        UsageError: a tolerance is not positive and finite.
    """
    for metric, tolerance in tolerances.items():
        if not 0 < tolerance < inf:
            raise UsageError(f"the tolerance of the {metric} is {tolerance:g}; expected a share above 0, such as 0.05")
    rounds: list[Round] = []
    metrics: tuple[MetricComparison, ...] = ()
    steps = 0
    for doubling in range(DOUBLINGS + 1):
        pairs = PAIRS * 2**doubling
        progress(pairs)
        while len(rounds) < pairs:
            with runners() as blocks:
                steps = steps or min(_steps(blocks[name]) for name in ("base", "candidate"))
                rounds += [_round(blocks, k, steps) for k in range(PAIRS_PER_PROCESS)]
        metrics = tuple(compare(rounds, metric, tolerances[metric]) for metric in METRICS)
        verdict = _verdict(metrics)
        if verdict != NO_VERDICT:
            return LatencyComparison(verdict, "", pairs, steps, metrics)
    return LatencyComparison(NO_VERDICT, _reason(metrics, len(rounds)), len(rounds), steps, metrics)


def compare(rounds: Sequence[Round], metric: str, tolerance: float) -> MetricComparison:
    """Compare one metric over the rounds."""
    base, candidate, repeat = ([each[name][metric] for each in rounds] for name in ORDER)
    median, low, high = interval([log(b / a) for a, b in zip(base, candidate, strict=True)])
    _, repeat_low, repeat_high = interval([log(b / a) for a, b in zip(base, repeat, strict=True)])
    slowdowns = (exp(each) - 1 for each in (median, low, high, repeat_low, repeat_high))
    return MetricComparison(metric, tolerance, float(np.median(base)), float(np.median(candidate)), *slowdowns)


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The median of the differences, and its 95 % confidence interval by the sign test.

    The bounds are the r-th smallest and the r-th largest difference; no distribution is assumed.
    """
    ordered = sorted(differences)
    r = sign_test_rank(len(ordered), CONFIDENCE)
    if not r:
        return float(np.median(ordered)), -inf, inf
    return float(np.median(ordered)), ordered[r - 1], ordered[-r]


def _steps(block: Block) -> int:
    """The number of steps of a block, estimated from a short one."""
    us = float(np.median(block(LEAST_STEPS))) / 1000
    return max(LEAST_STEPS, round(BLOCK_US / max(us, BLOCK_US / MOST_STEPS)))


def _round(blocks: Mapping[str, Block], k: int, steps: int) -> Round:
    order = ORDER if k % 2 == 0 else ORDER[::-1]
    took = {name: (np.sort(blocks[name](steps)) / 1000).tolist() for name in order}
    return {
        name: {metric: nearest_rank(ordered, percent) for metric, percent in METRICS.items()}
        for name, ordered in took.items()
    }


def _verdict(metrics: Sequence[MetricComparison]) -> str:
    """REGRESSED if a metric regressed, OK if all are OK."""
    verdicts = {each.verdict for each in metrics}
    if REGRESSED in verdicts:
        return REGRESSED
    return OK if verdicts == {OK} else NO_VERDICT


def _reason(metrics: Sequence[MetricComparison], pairs: int) -> str:
    reasons = []
    for each in metrics:
        if not each.fit:
            reasons.append(
                f"the machine is unfit for the {each.metric}: the base against itself is {each.repeat_low:+.1%} to "
                f"{each.repeat_high:+.1%}, and the tolerance is {each.tolerance:.0%}"
            )
        elif each.verdict == NO_VERDICT:
            reasons.append(
                f"{pairs} pairs do not decide the {each.metric}: {each.low:+.1%} to {each.high:+.1%} includes the "
                f"tolerance of {each.tolerance:.0%}"
            )
    return "; ".join(reasons)
