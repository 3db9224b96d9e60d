"""Whether one artifact is slower than another: blocks of steps in turn, and a sign test on the ratios of the pairs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import exp, inf, log
from types import MappingProxyType

import numpy as np

from edgernn.budget.binomial import NO_VERDICT, rank
from edgernn.budget.verdict import at
from edgernn.errors import UsageError
from edgernn.latency.arrivals import Times

REGRESSED, OK = "REGRESSED", "OK"

PAIRS, DOUBLINGS = 20, 2
CONFIDENCE = 0.95
FRESH = 4  # pairs, after which every arm is opened again: where its data lie decides some percent of a step
LEAST_STEPS, MOST_STEPS, BLOCK_US = 200, 100_000, 30_000.0  # of a block of the slower: steps, and how long

METRICS: Mapping[str, int] = MappingProxyType({"median": 50, "p95": 95})
"""What is compared -> its percentile in a block."""

TOLERANCES: Mapping[str, float] = MappingProxyType({"median": 0.05, "p95": 0.10})
"""What is compared -> by how much it may be slower, as a part."""

CODES: Mapping[str, int] = MappingProxyType({OK: 0, REGRESSED: 1, NO_VERDICT: 3})
"""A verdict -> the exit code of a command."""

ORDER = ("base", "candidate", "again")  # and backwards in every second pair: ABBA, with a second base for A/A

Block = Callable[[int], Times]  # so many steps -> what each took, in nanoseconds
Round = Mapping[str, Mapping[str, float]]  # one of ORDER -> one of METRICS -> us


@dataclass(frozen=True)
class Compared:
    """One metric over all pairs; parts by which the candidate is slower, negative where it is faster.

    Attributes:
        metric: one of METRICS.
        tolerance: what is borne.
        base_us, candidate_us: medians over the pairs.
        slower: the median over the pairs.
        low, high: between which it lies with 95 % confidence.
        again_low, again_high: the same of the base against itself; the machine is unfit where it reaches the tolerance.
    """

    metric: str
    tolerance: float
    base_us: float
    candidate_us: float
    slower: float
    low: float
    high: float
    again_low: float
    again_high: float

    @property
    def fit(self) -> bool:
        """Whether the base is as quick as itself, within the tolerance on either side."""
        return -1 + 1 / (1 + self.tolerance) < self.again_low and self.again_high < self.tolerance

    @property
    def verdict(self) -> str:
        """REGRESSED, OK or NO_VERDICT."""
        if not self.fit or self.low <= self.tolerance <= self.high:
            return NO_VERDICT
        return REGRESSED if self.low > self.tolerance else OK


@dataclass(frozen=True)
class Regression:
    """What was found: a verdict, and every metric after so many pairs of blocks of so many steps."""

    verdict: str
    reason: str  # why there is none; "" where there is one
    pairs: int
    steps: int
    compared: tuple[Compared, ...]


def regress(
    runners: Callable[[], AbstractContextManager[Mapping[str, Block]]],
    tolerances: Mapping[str, float] = TOLERANCES,
    tell: Callable[[int], None] = lambda _: None,
) -> Regression:
    """Compare, with twice as many pairs while there is no verdict, at most twice.

    Args:
        arms: opens each of ORDER afresh, for a few pairs: who times a block of it. "again" is a second base.
        tolerances: of each of METRICS, above 0.
        tell: called with the number of pairs before they begin.

    Raises:
        UsageError: a tolerance that cannot be.
    """
    for metric, tolerance in tolerances.items():
        if not 0 < tolerance < inf:
            raise UsageError(f"the tolerance of the {metric} is {tolerance:g}; expected a part above 0, such as 0.05")
    rounds: list[Round] = []
    compared: tuple[Compared, ...] = ()
    steps = 0
    for doubling in range(DOUBLINGS + 1):
        pairs = PAIRS * 2**doubling
        tell(pairs)
        while len(rounds) < pairs:
            with runners() as blocks:
                steps = steps or min(_steps(blocks[arm]) for arm in ("base", "candidate"))
                rounds += [_round(blocks, k, steps) for k in range(FRESH)]
        compared = tuple(compare(rounds, metric, tolerances[metric]) for metric in METRICS)
        verdict = _verdict(compared)
        if verdict != NO_VERDICT:
            return Regression(verdict, "", pairs, steps, compared)
    return Regression(NO_VERDICT, _why(compared, len(rounds)), len(rounds), steps, compared)


def compare(rounds: Sequence[Round], metric: str, tolerance: float) -> Compared:
    """One metric over the pairs that there are."""
    base, candidate, again = ([each[arm][metric] for each in rounds] for arm in ORDER)
    middle, low, high = interval([log(b / a) for a, b in zip(base, candidate, strict=True)])
    _, again_low, again_high = interval([log(b / a) for a, b in zip(base, again, strict=True)])
    parts = (exp(each) - 1 for each in (middle, low, high, again_low, again_high))
    return Compared(metric, tolerance, float(np.median(base)), float(np.median(candidate)), *parts)


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The median of some differences, and the two between which the true one lies with 95 % confidence.

    The r-th least and the r-th most of them, by the sign test: whatever they are distributed like.
    """
    ordered = sorted(differences)
    r = rank(len(ordered), CONFIDENCE)
    if not r:
        return float(np.median(ordered)), -inf, inf
    return float(np.median(ordered)), ordered[r - 1], ordered[-r]


def _steps(block: Block) -> int:
    """How many make a block, by what a few take."""
    us = float(np.median(block(LEAST_STEPS))) / 1000
    return max(LEAST_STEPS, round(BLOCK_US / max(us, BLOCK_US / MOST_STEPS)))


def _round(blocks: Mapping[str, Block], k: int, steps: int) -> Round:
    order = ORDER if k % 2 == 0 else ORDER[::-1]
    took = {arm: (np.sort(blocks[arm](steps)) / 1000).tolist() for arm in order}
    return {arm: {metric: at(ordered, percent) for metric, percent in METRICS.items()} for arm, ordered in took.items()}


def _verdict(compared: Sequence[Compared]) -> str:
    """REGRESSED where one metric is, OK where every one is."""
    said = {each.verdict for each in compared}
    if REGRESSED in said:
        return REGRESSED
    return OK if said == {OK} else NO_VERDICT


def _why(compared: Sequence[Compared], pairs: int) -> str:
    told = []
    for each in compared:
        if not each.fit:
            told.append(
                f"the machine is unfit for the {each.metric}: the base against itself is {each.again_low:+.1%} to "
                f"{each.again_high:+.1%}, and {each.tolerance:.0%} is borne"
            )
        elif each.verdict == NO_VERDICT:
            told.append(
                f"{pairs} pairs do not decide the {each.metric}: {each.low:+.1%} to {each.high:+.1%} is on both sides "
                f"of {each.tolerance:.0%}"
            )
    return "; ".join(told)
