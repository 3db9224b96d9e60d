"""The integer form of `rfft`: a mixed-radix transform of int16 samples in int32, the same on every machine.

The points are pairs of samples (or single ones, where the size is odd) times the window, with fractional bits beyond
those of a sample (`gained`). Each pass of radix 4, 2, 3, 5 or 7 adds r points, turns the sums, and rounds each product
once; the last step makes bins of the points as in c_runtime/rfft_f32.h. Cosines and sines have 30 fractional bits. No
part of a point exceeds the sum of all window magnitudes times the largest sample, which is at most 2 ** 28 by the
choice of the fractional bits: sums of four such parts are below 2 ** 31, and those of seven products below 2 ** 62.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce, singledispatch
from math import ceil, log2
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import CalibrationError
from edgernn.integer.fixedpoint import Integers, halve
from edgernn.model import spectra
from edgernn.model.operation import Op

TURN = 30  # fractional bits of cosines and sines
ROOM = 28  # bits of the largest part of a point
MOST_GAINED = 13  # fractional bits of a bin beyond those of a sample
WINDOW = 30  # bits of the largest weight of a window


@dataclass(frozen=True, eq=False)
class Step:
    """One pass: its radix, the points that the passes before have joined, and its constants."""

    radix: int
    spans: int
    each: int
    turns: Integers  # (radix - 1, 2, spans): cosines and sines
    roots: Integers  # (2, radix): cosines and sines of 2 pi k / radix, for an odd radix

    def __call__(self, re: Integers, im: Integers) -> tuple[Integers, Integers]:
        """(..., points) -> (..., points)."""
        shape = (*re.shape[:-1], self.radix, self.spans, self.each)
        us, vs = self._sums(re.reshape(shape), im.reshape(shape))
        outs = [(us[0], vs[0])]
        for u, v, (c, s) in zip(us[1:], vs[1:], self.turns, strict=True):
            outs.append(turned(u, v, c[:, None], s[:, None]) if self.spans > 1 else (u, v))
        a, b = (np.stack(parts, axis=-2).reshape(re.shape) for parts in zip(*outs, strict=True))
        return a, b

    def _sums(self, re: Integers, im: Integers) -> tuple[Sequence[Integers], Sequence[Integers]]:
        """The transforms of `radix` points each."""
        x = [(re[..., k, :, :], im[..., k, :, :]) for k in range(self.radix)]
        if self.radix == 2:
            (a, b), (c, d) = x
            return (a + c, a - c), (b + d, b - d)
        if self.radix == 4:
            ar, ai, br, bi = x[0][0] + x[2][0], x[0][1] + x[2][1], x[0][0] - x[2][0], x[0][1] - x[2][1]
            cr, ci, dr, di = x[1][0] + x[3][0], x[1][1] + x[3][1], x[1][1] - x[3][1], x[3][0] - x[1][0]
            return (ar + cr, br + dr, ar - cr, br - dr), (ai + ci, bi + di, ai - ci, bi - di)
        us, vs = [_added(u for u, _ in x)], [_added(v for _, v in x)]
        for k in range(1, self.radix):
            c, s = self.roots[:, np.arange(self.radix) * k % self.radix]
            us.append(halve(_added(u * c[j] + v * s[j] for j, (u, v) in enumerate(x)), TURN))
            vs.append(halve(_added(v * c[j] - u * s[j] for j, (u, v) in enumerate(x)), TURN))
        return us, vs


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The bins of int16 samples: (..., width) -> (..., 2 * bins), int32."""

    window: Integers  # (width,), 31 bits
    shift: int  # of the products of samples and window
    size: int
    steps: tuple[Step, ...]
    halves: Integers  # (2, (size / 2 + 1) // 2): cosines and sines, for an even size

    @property
    def points(self) -> int:
        """The points of the complex transform."""
        return self.size if self.size % 2 else self.size // 2

    def __call__(self, x: Integers) -> Integers:
        y: Integers = whole(x, self.bins)
        return y

    def bins(self, x: Integers) -> Integers:
        """Return the bins of samples."""
        loaded = halve(x * self.window, self.shift)
        full = np.zeros_like(x, shape=(*x.shape[:-1], self.size))
        full[..., : x.shape[-1]] = loaded
        odd = self.size % 2
        re, im = (full, np.zeros_like(full)) if odd else (full[..., ::2], full[..., 1::2])
        for step in self.steps:
            re, im = step(re, im)
        count = spectra.bins(self.size)
        return np.concatenate([re[..., :count], im[..., :count]] if odd else self._joined(re, im), axis=-1)

    def _joined(self, re: Integers, im: Integers) -> list[Integers]:
        m, (c, s) = self.points, self.halves
        zr, zi = (np.concatenate([each, each[..., :1]], axis=-1) for each in (re, im))
        yr, yi = zr + zr[..., ::-1], zi - zi[..., ::-1]
        k, last = np.arange((m + 1) // 2), m - np.arange((m + 1) // 2)
        fr, fi = zi[..., k] + zi[..., last], zr[..., last] - zr[..., k]
        tr, ti = turned(fr, fi, c, s)
        er, ei = yr[..., k], yi[..., k]
        yr[..., k], yi[..., k], yr[..., last], yi[..., last] = er + tr, ei + ti, er - tr, ti - ei
        if m % 2 == 0:
            yr[..., m // 2], yi[..., m // 2] = 2 * zr[..., m // 2], -2 * zi[..., m // 2]
        return [yr, yi]


def _added(parts: Iterable[Integers]) -> Integers:
    return reduce(np.add, parts)


@singledispatch
def whole(x: Any, compute: Callable[[Integers], Integers]) -> Any:
    """Return the result of a computation that is not noted call by call where calls are."""
    return compute(x)


def turned(re: Integers, im: Integers, c: Integers, s: Integers) -> tuple[Integers, Integers]:
    """Return (re + i im) * (c - i s), each part rounded once, halves up."""
    return halve(re * c + im * s, TURN), halve(im * c - re * s, TURN)


def weights(op: Op) -> Array:
    """Return the window of an operation in float64; ones where it has none."""
    ref, _, window = op.args
    return np.ones(ref.width) if window is None else np.asarray(window.dense(np.float64))


def gained(op: Op) -> int:
    """Return the fractional bits that a bin has beyond those of a sample.

    Raises:
        CalibrationError: the window is so large that a sample would lose bits.
    """
    total = float(np.abs(weights(op)).sum())
    bits = ROOM - 15 - ceil(log2(total)) if total else 0
    if bits < 0:
        raise CalibrationError(
            f"layer '{op.layer}': a window with a sum of {total:.3g} arrived; in integers, expected at most "
            f"{2.0 ** (ROOM - 15):g}: keep the layer in float with keep=('{op.layer}',)"
        )
    return min(bits, MOST_GAINED)


def spectrum(op: Op) -> Spectrum:
    """Return the integer form of a transform of real numbers."""
    size, window = op.args[1], weights(op)
    even, bits = size % 2 == 0, WINDOW - max(0, ceil(log2(np.abs(window).max() or 1.0)))
    points, each, steps = (size // 2 if even else size), 1, []
    for radix in radices(points):
        spans = points // each // radix
        steps.append(Step(radix, spans, each, _turns(radix, spans), _circle(radix)))
        each *= radix
    angles = 2 * np.pi * np.arange((size // 2 + 1) // 2) / size
    halves = _integers(np.stack([np.cos(angles), np.sin(angles)]))
    whole = np.rint(np.ldexp(window, bits)).astype(np.int64)
    return Spectrum(whole, bits - gained(op) + even, size, tuple(steps), halves)


def radices(points: int) -> tuple[int, ...]:
    """Return the radices of a transform of so many points, the largest first."""
    primes = spectra.factors(points) or ()
    fours, two = divmod(primes.count(2), 2)
    return tuple(sorted([4] * fours + [2] * two + [prime for prime in primes if prime > 2], reverse=True))


def _turns(radix: int, spans: int) -> Integers:
    k, p = np.arange(1, radix)[:, None], np.arange(spans)
    angles = 2 * np.pi * k * p / (radix * spans)
    return _integers(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _circle(radix: int) -> Integers:
    angles = 2 * np.pi * np.arange(radix) / radix
    return _integers(np.stack([np.cos(angles), np.sin(angles)]))


def _integers(values: Array) -> Integers:
    whole: Integers = np.rint(np.ldexp(values, TURN)).astype(np.int64)
    return whole
