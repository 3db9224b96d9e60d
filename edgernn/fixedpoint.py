"""Fixed point: a product with any real factor, and tanh, in integers alone, the same on every machine.

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
