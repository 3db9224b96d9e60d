"""The split into training and test part: by turn, index, group, share or time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError
from edgernn.files.spelling import misspelt

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """How the test part is chosen. Exactly one of the first four is set.

    Attributes:
        every: every n-th recording in the order of the files: 4 takes the 4th, the 8th ...
        indices: the recordings whose index in the file name is in this half-open range, (0, 5).
        groups: the recordings of these groups, such as speakers.
        share: a random part of the groups, or of the recordings if no groups are known.
        seed: the seed of that draw.
    """

    every: int = 0
    indices: Sequence[int] = ()
    groups: Collection[str] = ()
    share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        ways = {
            "test_every": self.every,
            "test_indices": self.indices,
            "test_groups": self.groups,
            "test_share": self.share,
        }
        chosen = [name for name, value in ways.items() if value]
        if len(chosen) != 1:
            raise UsageError(
                f"the test part is chosen by {' and '.join(chosen) or 'nothing'}; set exactly one of {', '.join(ways)}"
            )
        if self.every and self.every < 2:
            raise UsageError(f"test_every is {self.every}; expected at least 2")
        if isinstance(self.groups, str):
            raise UsageError(f"test_groups is '{self.groups}'; expected a list of names")
        if self.indices and (len(self.indices) != 2 or self.indices[0] >= self.indices[1]):
            raise UsageError(f"test_indices is {list(self.indices)}; expected [first, end], such as [0, 5]")
        if self.share:
            check_share(self.share)

    def mask(self, groups: Sequence[str], indices: Sequence[int] = ()) -> Mask:
        """Which recordings are in the test part.

        Args:
            groups: the group of each recording; all different if no groups are known.
            indices: the index of each recording, if the files have one.

        Raises:
            UsageError: A group does not exist, the indices are missing, or a part is empty.
        """
        if self.every:
            mask: Mask = np.arange(len(groups)) % self.every == self.every - 1
        elif self.indices:
            if not indices:
                raise UsageError("test_indices needs a pattern with {index}, such as '{label}_{group}_{index}'")
            mask = (np.array(indices) >= self.indices[0]) & (np.array(indices) < self.indices[1])
        else:
            mask = np.isin(groups, self._held_out(sorted(set(groups))))
        if mask.all() or not mask.any():
            part = "training" if mask.all() else "test"
            raise UsageError(f"none of {len(mask)} recordings is left for the {part} part; choose another split")
        return mask

    def _held_out(self, known: list[str]) -> list[str]:
        for name in self.groups:
            if name not in known:
                raise UsageError(f"there is no group '{name}' to hold out; {misspelt(name, known[:20])}")
        return list(self.groups) or [known[i] for i in draw_share(len(known), self.share, self.seed)]


def draw_share(n: int, share: float, seed: int) -> NDArray[Any]:
    """The sorted indices of a random share of n items, at least one, without replacement."""
    check_share(share)
    return np.sort(np.random.default_rng(seed).permutation(n)[: max(1, round(share * n))])


def first_of_test(n: int, share: float) -> int:
    """The first row of the test part: the last share of n rows.

    Raises:
        UsageError: The share is invalid, or there are too few rows for two parts.
    """
    check_share(share)
    first = n - round(share * n)
    if not 0 < first < n:
        raise UsageError(f"the last {share:g} of {n} rows leaves one part empty; choose another test_share")
    return first


def check_share(share: float) -> None:
    """Check a share.

    Raises:
        UsageError: It is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"test_share is {share:g}; expected a part between 0 and 1, such as 0.2")
