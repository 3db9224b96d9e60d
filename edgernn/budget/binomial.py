"""Exact binomial tests: which miss rates are consistent with k misses in n steps. No approximation is used."""

from collections.abc import Callable
from math import exp, lgamma, log, log1p

PASS, FAIL, NO_VERDICT = "PASS", "FAIL", "NO VERDICT"

NEGLIGIBLE = 1e-18  # relative to the sum: a smaller term changes none of its bits


def cdf(k: int, n: int, q: float) -> float:
    """The probability of at most k misses in n steps that each miss with probability q, in (0, 1)."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return _descending_sum(k, n, q) if k <= (n + 1) * q else 1.0 - _descending_sum(n - k - 1, n, 1.0 - q)


def upper_tail(k: int, n: int, q: float) -> float:
    """The probability of at least k misses; accurate for very small probabilities too."""
    return cdf(n - k, n, 1.0 - q)


def _descending_sum(k: int, n: int, q: float) -> float:
    """The sum of the terms from k down to 0, each smaller than the one before."""
    term = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(q) + (n - k) * log1p(-q))
    total, i = term, k
    while i > 0 and term > NEGLIGIBLE * total:
        term *= i * (1.0 - q) / ((n - i + 1) * q)
        total += term
        i -= 1
    return min(total, 1.0)


def verdict(n: int, k: int, p: float, c: float) -> str:
    """Test whether a share p of all steps is in time, given k misses in n independent steps.

    Args:
        n: number of steps, at least 1.
        k: number of misses, 0 to n.
        p: the share of steps that must be in time, such as 0.99.
        c: the confidence, such as 0.95.

    Returns:
        PASS if at most k misses have a probability of at most 1 - c at the miss rate 1 - p; FAIL if at least k misses
        have; NO_VERDICT if there are too few steps for either.
    """
    if cdf(k, n, 1.0 - p) <= 1.0 - c:
        return PASS
    if upper_tail(k, n, 1.0 - p) <= 1.0 - c:
        return FAIL
    return NO_VERDICT


def steps_needed(k: int, p: float, c: float) -> int:
    """N(k): the fewest steps that pass with k misses."""
    enough = max(k, 1)
    while verdict(enough, k, p, c) != PASS:
        enough *= 2
    too_few = max(k, enough // 2)  # k misses in k steps never pass, and half of `enough` did not
    while enough - too_few > 1:
        between = (too_few + enough) // 2
        too_few, enough = (too_few, between) if verdict(between, k, p, c) == PASS else (between, enough)
    return enough


def most_passing_misses(n: int, p: float, c: float) -> int:
    """The largest number of misses with which n steps pass; -1 if n steps cannot pass."""
    return last_true(n, lambda k: cdf(k, n, 1.0 - p) <= 1.0 - c)


def fewest_failing_misses(n: int, p: float, c: float) -> int:
    """The smallest number of misses with which n steps fail; n + 1 if n steps cannot fail."""
    return last_true(n, lambda k: upper_tail(k, n, 1.0 - p) > 1.0 - c) + 1


def sign_test_rank(n: int, c: float) -> int:
    """The rank r of the sign test: the true median lies between the r-th smallest and the r-th largest of n values.

    r is the largest rank that leaves at most (1 - c) / 2 outside on each side; 0 if there is none.
    """
    return last_true(n, lambda k: cdf(k, n, 0.5) <= (1.0 - c) / 2.0) + 1


def last_true(n: int, condition: Callable[[int], bool]) -> int:
    """The largest of 0 to n for which a monotone condition (true, then false) is true; -1 if there is none."""
    low, high = -1, n + 1
    while high - low > 1:
        between = (low + high) // 2
        low, high = (between, high) if condition(between) else (low, between)
    return low
