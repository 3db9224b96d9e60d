"""How misses cluster in time: a slow period makes several, which say no more than one that stands for itself."""

import itertools
from collections.abc import Sequence

BLOCKS = 20  # into which a run is cut
FEW = 10  # misses, below which the counts of 20 blocks say little, and their clusters are taken instead


def dependence(late: Sequence[bool]) -> float:
    """How many steps of a run are worth one that stands for itself, 1 or more.

    Args:
        late: of each step in the order of time, whether it missed.

    Returns:
        The mean size of the clusters where fewer than FEW missed, else the dispersion of the counts in 20 blocks. Steps
        after the last whole block are left out of the second.
    """
    if sum(late) < FEW:
        return cluster_size([i for i, each in enumerate(late) if each], len(late))
    length = len(late) // BLOCKS
    return dispersion([sum(late[j * length : (j + 1) * length]) for j in range(BLOCKS)], length)


def cluster_size(positions: Sequence[int], steps: int) -> float:
    """The mean number of misses in a cluster: those that lie at most a block, a twentieth of the run, from the next.

    The runs estimator of one over the extremal index (Smith and Weissman, 1994). Misses of one slow period need not
    follow one another directly: taking only those that do would pass, at the limit, one run of nine where every second
    step of a slow period is late, instead of one of nineteen (bench/results/verdicts.json).

    Args:
        positions: the steps that missed, ascending.
        steps: of the run.
    """
    gap = max(steps // BLOCKS, 1)
    clusters = sum(after - before > gap for before, after in itertools.pairwise(positions)) + 1
    return len(positions) / clusters if len(positions) else 1.0


def dispersion(counts: Sequence[int], length: int) -> float:
    """The variance of the misses in blocks of this length over that of a binomial, at least 1."""
    mean = sum(counts) / len(counts)
    expected = mean * (1 - mean / length) if length else 0.0
    return max(1.0, sum((count - mean) ** 2 for count in counts) / (len(counts) - 1) / expected) if expected else 1.0


def in_a_row(late: Sequence[bool]) -> int:
    """The longest run of misses."""
    longest = now = 0
    for each in late:
        now = now + 1 if each else 0
        longest = max(longest, now)
    return longest
