"""The exact binomial: what so many misses in so many steps say of the rate behind them. No approximation."""

from collections.abc import Callable
from math import exp, lgamma, log, log1p

PASS, FAIL, NO_VERDICT = "PASS", "FAIL", "NO VERDICT"

NEGLIGIBLE = 1e-18  # a term this much smaller than the sum changes no bit of it


def below(k: int, n: int, q: float) -> float:
    """The probability of at most k misses in n steps that each miss with probability q, in (0, 1)."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return _falling(k, n, q) if k <= (n + 1) * q else 1.0 - _falling(n - k - 1, n, 1.0 - q)


def above(k: int, n: int, q: float) -> float:
    """The probability of at least k misses, exact where it is small too."""
    return below(n - k, n, 1.0 - q)


def _falling(k: int, n: int, q: float) -> float:
    """The sum of the terms from k down to 0, each smaller than the one before."""
    term = exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(q) + (n - k) * log1p(-q))
    total, i = term, k
    while i > 0 and term > NEGLIGIBLE * total:
        term *= i * (1.0 - q) / ((n - i + 1) * q)
        total += term
        i -= 1
    return min(total, 1.0)


def verdict(n: int, k: int, p: float, c: float) -> str:
    """Whether a share p of all steps is in time, when k of n were not and each stands for itself.

    Args:
        n: how many steps, at least 1.
        k: how many of them missed, 0 to n.
        p: the share that must be in time, such as 0.99.
        c: the confidence, such as 0.95.

    Returns:
        PASS when as few misses would come by chance with probability 1 - c at most if one step more than allowed
        missed; FAIL when as many would; NO_VERDICT when the steps are too few for either.
    """
    if below(k, n, 1.0 - p) <= 1.0 - c:
        return PASS
    if above(k, n, 1.0 - p) <= 1.0 - c:
        return FAIL
    return NO_VERDICT


def needed(k: int, p: float, c: float) -> int:
    """N(k): the fewest steps that pass with k misses."""
    enough = max(k, 1)
    while verdict(enough, k, p, c) != PASS:
        enough *= 2
    short = max(k, enough // 2)  # k misses in k steps never pass, nor did the half
    while enough - short > 1:
        between = (short + enough) // 2
        short, enough = (short, between) if verdict(between, k, p, c) == PASS else (between, enough)
    return enough


def allowed(n: int, p: float, c: float) -> int:
    """The most misses with which n steps pass; -1 where none do."""
    return last(n, lambda k: below(k, n, 1.0 - p) <= 1.0 - c)


def refused(n: int, p: float, c: float) -> int:
    """The fewest misses with which n steps fail; n + 1 where none do."""
    return last(n, lambda k: above(k, n, 1.0 - p) > 1.0 - c) + 1


def rank(n: int, c: float) -> int:
    """The r for which the true median lies between the r-th least and the r-th most of n values, with confidence c.

    The sign test turned round: the largest r with at most (1 - c) / 2 outside on each side; 0 where there is none.
    """
    return last(n, lambda k: below(k, n, 0.5) <= (1.0 - c) / 2.0) + 1


def last(n: int, holds: Callable[[int], bool]) -> int:
    """The last of 0 to n for which a condition holds that, once broken, stays so; -1 where it holds for none."""
    low, high = -1, n + 1
    while high - low > 1:
        between = (low + high) // 2
        low, high = (between, high) if holds(between) else (low, between)
    return low
