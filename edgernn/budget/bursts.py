"""How misses cluster in time: misses of one slow period count less than independent ones."""

import itertools
from collections.abc import Sequence

BLOCKS = 20  # blocks that a run is divided into
FEW = 10  # below this many misses, cluster sizes are used: the counts of 20 blocks would be too small


def dependence(missed: Sequence[bool]) -> float:
    """The number of steps of a run that carry the information of one independent step, 1 or more.

    Args:
        missed: for each step in order, whether it missed the deadline.

    Returns:
        The mean cluster size if there are fewer than FEW misses, otherwise the dispersion of the miss counts of 20
        blocks. The dispersion ignores the steps after the last whole block.
    """
    if sum(missed) < FEW:
        return cluster_size([i for i, each in enumerate(missed) if each], len(missed))
    length = len(missed) // BLOCKS
    return dispersion([sum(missed[j * length : (j + 1) * length]) for j in range(BLOCKS)], length)


def cluster_size(positions: Sequence[int], steps: int) -> float:
    """The mean number of misses in a cluster. Neighbours at most one block (a twentieth of the run) apart share one.

    This is the runs estimator of the inverse extremal index (Smith and Weissman, 1994). The misses of one slow period
    need not be consecutive. If only consecutive misses formed a cluster, and every second step of a slow period
    missed, one of nine runs at the limit would pass instead of one of nineteen (bench/results/verdicts.json).

    Args:
        positions: indices of the steps that missed, ascending.
        steps: length of the run.
    """
    gap = max(steps // BLOCKS, 1)
    clusters = sum(after - before > gap for before, after in itertools.pairwise(positions)) + 1
    return len(positions) / clusters if len(positions) else 1.0


def dispersion(counts: Sequence[int], length: int) -> float:
    """The variance of the miss counts of blocks of this length, divided by the binomial variance; at least 1."""
    mean = sum(counts) / len(counts)
    expected = mean * (1 - mean / length) if length else 0.0
    return max(1.0, sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / expected) if expected else 1.0


def longest_run(missed: Sequence[bool]) -> int:
    """The largest number of consecutive misses."""
    longest = current = 0
    for each in missed:
        current = current + 1 if each else 0
        longest = max(longest, current)
    return longest
