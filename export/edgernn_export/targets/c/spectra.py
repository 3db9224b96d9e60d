"""Fourier transforms in C: the passes of a size, and the constants that they read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.model import spectra
from edgernn.model.operation import Op, Ref


@dataclass(frozen=True)
class Pass:
    """One pass of a complex transform: its radix, and how many points the passes before it have joined."""

    radix: int
    each: int
    points: int

    @property
    def spans(self) -> int:
        """The number of turns."""
        return self.points // self.each // self.radix

    @property
    def kind(self) -> str:
        """The last pass turns nothing; the first one joins single points."""
        return "_last" if self.spans == 1 else "_first" if self.each == 1 else ""

    @property
    def turns(self) -> Array:
        """For each k from 1 to radix - 1 the cosines of 2 pi k p / (radix * spans), then the sines; float64."""
        k, p = np.arange(1, self.radix)[:, None], np.arange(self.spans)
        angles = 2 * np.pi * k * p / (self.radix * self.spans)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(-1)


def points(size: int) -> int:
    """The points of the complex transform for so many real numbers."""
    return size // 2 if size % 2 == 0 else size


def passes(count: int) -> tuple[Pass, ...]:
    """The passes of a transform of so many points: eights first, so that later ones have many to do at once."""
    primes = spectra.factors(count) or ()
    eights, rest = divmod(primes.count(2), 3)
    if rest == 1 and eights > 1:
        eights, twos = eights - 1, [4, 4]  # they turn fewer points than an eight and a two
    else:
        twos = [[], [2], [4]][rest]
    radices = sorted([*[8] * eights, *twos, *(prime for prime in primes if prime != 2)], reverse=True)
    each = np.cumprod([1, *radices])[:-1].tolist()
    return tuple(Pass(radix, before, count) for radix, before in zip(radices, each, strict=True))


def turns(steps: Sequence[Pass]) -> Array:
    """What the passes read, one after another; float32."""
    return np.concatenate([np.zeros(0), *(each.turns for each in steps if each.spans > 1)]).astype(np.float32)


def halves(size: int) -> Array:
    """The cosines, then the sines, that join the halves of an even transform; float32."""
    angles = 2 * np.pi * np.arange((size // 2 + 1) // 2) / size
    return np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)


def work(op: Op) -> Ref | None:
    """The memory that a transform needs beside its result: the points are passed to and fro between two buffers.

    The result of an even `rfft` is one of them.
    """
    if op.name not in ("rfft", "irfft"):
        return None
    size = op.args[1]
    buffers = 1 if op.name == "rfft" and size % 2 == 0 else 2
    return Ref(f"{op.outputs[0].name}.work", buffers * 2 * (points(size) + 1))
