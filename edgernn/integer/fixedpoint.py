"""Fixed point: products with real factors, tanh, 1 / sqrt, powers and logarithms of 2, in integers alone, the same on
every machine.

A factor is kept as mantissa / 2 ** shift; the mantissa has 31 bits and a sign. `rescale` is one product of 64 bits, one
addition of half and one arithmetic shift: halves are rounded up, towards positive infinity, as TFLite does when it is
built to round once. C writes it as `(int32_t)(((int64_t)x * mantissa + (1LL << (shift - 1))) >> shift)`.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgernn.errors import CalibrationError

Integers = NDArray[np.int64]

MOST = (1 << 31) - 1  # of an accumulator and of a mantissa
LAST_SHIFT = 62


def multiplier(factors: ArrayLike) -> tuple[Integers, Integers]:
    """(mantissas, shifts) of factors, each with its own shift from 1 to 62; relative error at most 2 ** -31.

    Factors below 2 ** -31 have a shift of 62 and fewer bits; none of them moves an accumulator by more than 1.

    Raises:
        CalibrationError: a factor of 2 ** 30 or more.
    """
    fractions, exponents = np.frexp(np.asarray(factors, np.float64))
    shifts = np.minimum(31 - exponents.astype(np.int64), LAST_SHIFT)
    mantissas = np.rint(np.ldexp(fractions, exponents + shifts)).astype(np.int64)
    full = np.abs(mantissas) > MOST  # a fraction that was rounded up to 1
    mantissas, shifts = np.where(full, mantissas >> 1, mantissas), np.where(full, shifts - 1, shifts)
    _check(shifts, factors)
    return mantissas, shifts


def together(factors: ArrayLike, offsets: ArrayLike = 0.0) -> tuple[Integers, Integers, int]:
    """(mantissas, offsets times 2 ** shift, shift), of one shift for all: for a sum that is rounded once.

    The shift is as large as 30 bits of the largest mantissa allow, and 60 of the largest offset; so two products with
    integers of 17 bits and an offset are added in 64.

    Raises:
        CalibrationError: a factor of 2 ** 30 or more.
    """
    shift = min(30 - _exponent(factors), 60 - _exponent(offsets), LAST_SHIFT)
    _check(np.array(shift), factors)
    mantissas = np.rint(np.ldexp(np.asarray(factors, np.float64), shift)).astype(np.int64)
    return mantissas, np.rint(np.ldexp(np.asarray(offsets, np.float64), shift)).astype(np.int64), shift


def rescale(x: Integers, mantissa: ArrayLike, shift: ArrayLike) -> Integers:
    """x * mantissa / 2 ** shift, rounded once, halves up; exact while |x * mantissa| is below 2 ** 62."""
    return halve(x * np.asarray(mantissa, np.int64), shift)


def halve(x: Integers, shift: ArrayLike) -> Integers:
    """x / 2 ** shift, rounded once, halves up."""
    by = np.asarray(shift, np.int64)
    y: Integers = (x + (np.int64(1) << (by - 1))) >> by
    return y


def _exponent(xs: ArrayLike) -> int:
    """The smallest power of two above all magnitudes."""
    return int(np.frexp(np.abs(xs).max())[1])


def _check(shifts: Integers, factors: ArrayLike) -> None:
    if (shifts < 1).any():
        raise CalibrationError(
            f"a factor of {np.abs(factors).max():.3g} arrived, and integers end at 2 ** 30: one range is far too small "
            "for what is added to it or multiplied with it; calibrate on longer sequences"
        )


ROOT_STEPS = 4  # of Newton's: the line below is within 0.127 of the root, then 0.025, 9.5e-4, 1.4e-6, 2.8e-12
ROOT_LINE = 1184717647, 357913941  # 2.20671 * 2 ** 29 and 4 / 3 * 2 ** 28: the best line through 1 / sqrt(t)
ROOT_POINT = 45  # what `inverse_root` gives has so many bits after the point


def inverse_root(v: Integers) -> tuple[Integers, Integers]:
    """(x, e) with 1 / sqrt(v) = x / 2 ** (45 + e), for v from 1 to 2 ** 62 - 1: x has 31 bits, e is from -15 to 15.

    v is a * 4 ** e with a from 2 ** 30 to 2 ** 32 - 1, bits that leave on the right are dropped. With t = a / 2 ** 32,
    x / 2 ** 29 is 1 / sqrt(t), from 1 to 2, by a line and four of Newton's steps x = x * (3 - t * x * x) / 2, each
    product shifted to the right (rounded down). No intermediate value reaches 2 ** 63: x is at most 2 ** 30 + 2, x * x
    >> 29 at most 2 ** 31 + 4 (only for the smallest t; else a * that is smaller still), and 3 - t * x * x below
    2 ** 31. The relative error is below 2 ** -28.
    """
    a, e = v.copy(), np.zeros_like(v)
    for k in (8, 4, 2, 1):
        large, small = a >= np.int64(1) << (30 + 2 * k), a < np.int64(1) << (32 - 2 * k)
        a = np.where(large, a >> (2 * k), np.where(small, a << (2 * k), a))
        e = e + k * large - k * small
    x = ROOT_LINE[0] - ((a * ROOT_LINE[1]) >> 31)
    for _ in range(ROOT_STEPS):
        x = (x * ((3 << 29) - ((a * ((x * x) >> 29)) >> 32))) >> 30
    return x, e


INTERVALS, END = 512, 8  # of the table of tanh, evenly spaced from 0 to 8
POSITION = 15  # bits after the point in what tanh reads: 6 for the interval, 9 within it
ONE = 1 << 15  # what stands for 1 in what tanh makes


@cache
def tanh_table() -> Integers:
    """tanh at 0, 1/64, ... 8 as 513 integers from 0 to 32768."""
    table: Integers = np.rint(np.tanh(np.arange(INTERVALS + 1) * (END / INTERVALS)) * ONE).astype(np.int64)
    table.setflags(write=False)
    return table


def tanh(position: Integers) -> Integers:
    """The hyperbolic tangent of position / 32768, in steps of 1/32768: linear between the entries of the table.

    The largest error over all positions is 1.6 of 32768: 0.8 of the straight lines, and two roundings.
    """
    within = POSITION - 6
    at = np.minimum(np.abs(position), END << POSITION)
    i = np.minimum(at >> within, INTERVALS - 1)
    table = tanh_table()
    low, high = table[i], table[i + 1]
    t = low + halve((high - low) * (at - (i << within)), within)
    y: Integers = np.where(position < 0, -t, t)
    return y


PARTS = 256  # intervals of the tables of 2 ** -f and of log2(1 + f), for f from 0 to 1
POWER_POINT, POWER_ONE = 18, 1 << 30  # bits after the point in what `power` reads; what stands for 1 in what it makes
LOG_POINT = 24  # bits after the point in what `logarithm` makes


@cache
def power_table() -> Integers:
    """2 ** -f at 0, 1/256, ... 1 as 257 integers from 2 ** 30 down to 2 ** 29."""
    table: Integers = np.rint(np.exp2(-np.arange(PARTS + 1) / PARTS) * POWER_ONE).astype(np.int64)
    table.setflags(write=False)
    return table


def power(position: Integers) -> Integers:
    """2 ** -(position / 2 ** 18) in steps of 2 ** -30, for position >= 0: linear between the entries of the table.

    The relative error of a straight line is below 2 ** -20; beyond 31 the result is that of 31, which is 0 or 1.
    """
    at = np.minimum(position, 31 << POWER_POINT)
    f, within = at & ((1 << POWER_POINT) - 1), POWER_POINT - 8
    i = f >> within
    low, high = power_table()[i], power_table()[i + 1]
    y: Integers = (low + halve((high - low) * (f - (i << within)), within)) >> (at >> POWER_POINT)
    return y


@cache
def logarithm_table() -> Integers:
    """log2(1 + f) at 0, 1/256, ... 1 as 257 integers from 0 to 2 ** 24."""
    table: Integers = np.rint(np.log2(1 + np.arange(PARTS + 1) / PARTS) * (1 << LOG_POINT)).astype(np.int64)
    table.setflags(write=False)
    return table


def logarithm(x: Integers) -> Integers:
    """log2(x) in steps of 2 ** -24, for x from 1 to 65535: linear between the entries of the table.

    The error of a straight line is below 3e-6.
    """
    whole, f = np.full_like(x, 15), x
    for k in (8, 4, 2, 1):
        small = f < np.int64(1) << (16 - k)
        f, whole = np.where(small, f << k, f), whole - k * small
    f = f - (1 << 15)
    i = f >> 7
    low, high = logarithm_table()[i], logarithm_table()[i + 1]
    y: Integers = (whole << LOG_POINT) + low + halve((high - low) * (f - (i << 7)), 7)
    return y
