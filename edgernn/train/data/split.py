"""Which sequences judge and which teach: masks of the test part, by turn, range, group, share or time."""

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
    """One way to choose the test part; exactly one of the first four is given.

    Attributes:
        every: every so-manieth recording, in the order of the files: 4 takes the 4th, the 8th ...
        indices: the recordings whose number in the file's name is in this half-open range, (0, 5).
        groups: the recordings of these groups, such as speakers.
        share: a part of the groups (of the recordings, where no groups are known), drawn at random.
        seed: of that draw.
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
        given = [name for name, value in ways.items() if value]
        if len(given) != 1:
            raise UsageError(
                f"the test part is chosen by {' and '.join(given) or 'nothing'}; expected exactly one of "
                f"{', '.join(ways)}"
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
        """Which recordings are the test part.

        Args:
            groups: of each recording; different for all where none are known.
            indices: the number of each, where the files have one.

        Raises:
            UsageError: a group that is not there, no indices, or a part without a recording.
        """
        if self.every:
            mask: Mask = np.arange(len(groups)) % self.every == self.every - 1
        elif self.indices:
            if not indices:
                raise UsageError("test_indices needs a pattern with {index}; such as '{label}_{group}_{index}'")
            mask = (np.array(indices) >= self.indices[0]) & (np.array(indices) < self.indices[1])
        else:
            mask = np.isin(groups, self._held_out(sorted(set(groups))))
        if mask.all() or not mask.any():
            part = "training" if mask.all() else "test"
            raise UsageError(f"of {len(mask)} recordings none is left for the {part} part; choose another split")
        return mask

    def _held_out(self, known: list[str]) -> list[str]:
        for name in self.groups:
            if name not in known:
                raise UsageError(f"there is no group '{name}' to hold out; {misspelt(name, known[:20])}")
        return list(self.groups) or [known[i] for i in drawn(len(known), self.share, self.seed)]


def drawn(n: int, share: float, seed: int) -> NDArray[Any]:
    """The numbers, in order, of a share of n things: at least one, drawn at random without replacement."""
    check_share(share)
    return np.sort(np.random.default_rng(seed).permutation(n)[: max(1, round(share * n))])


def first_of_test(n: int, share: float) -> int:
    """Where the last share of n rows in time begins.

    Raises:
        UsageError: no share, or too few rows for two parts.
    """
    check_share(share)
    first = n - round(share * n)
    if not 0 < first < n:
        raise UsageError(f"the last {share:g} of {n} rows leaves one part empty; choose another test_share")
    return first


def check_share(share: float) -> None:
    """Refuse what is no part of one.

    Raises:
        UsageError: not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"test_share is {share:g}; expected a part between 0 and 1, such as 0.2")
