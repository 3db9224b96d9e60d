"""Fixed-point arithmetic: products with real factors, tanh, 1 / sqrt, powers and logarithms of 2, by integers alone.

The results are the same on every machine. A factor is mantissa / 2 ** shift, where the mantissa has 31 bits and a sign.
`rescale` is one 64-bit product, one addition of half and one arithmetic shift. Halves are rounded up, towards positive
infinity, as in TFLite when it is built with single rounding. In C it is
`(int32_t)(((int64_t)x * mantissa + (1LL << (shift - 1))) >> shift)`.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgernn.errors import CalibrationError
from edgernn.model.positions import entries

Integers = NDArray[np.int64]

MOST = (1 << 31) - 1  # the largest magnitude of an accumulator and of a mantissa
LAST_SHIFT = 62


def exact_float(weight: NDArray[np.integer], most: int) -> type[np.floating]:
    """Return the float in which the products of integers with a matrix (rows, inputs) are exact in any order.

    float32 represents every integer up to 2 ** 24. No sum of products, and no part of one, is larger than `most`, the
    largest magnitude of an input, times the sum of a row's magnitudes.
    """
    reach = most * int(np.abs(weight.astype(np.int64)).sum(axis=1).max(initial=0))
    return np.float32 if reach <= 1 << 24 else np.float64


def multiplier(factors: ArrayLike) -> tuple[Integers, Integers]:
    """Return (mantissas, shifts) of factors, each with its own shift from 1 to 62.

    The relative error is at most 2 ** -31. Factors below 2 ** -31 have a shift of 62 and fewer bits; their product with
    an accumulator is at most 1.

    Raises:
        CalibrationError: a factor is 2 ** 30 or more.
    """
    fractions, exponents = np.frexp(np.asarray(factors, np.float64))
    shifts = np.minimum(31 - exponents.astype(np.int64), LAST_SHIFT)
    by = (exponents + shifts).astype(np.int32)  # all that ldexp takes where Python has 32 bits
    mantissas = np.rint(np.ldexp(fractions, by)).astype(np.int64)
    full = np.abs(mantissas) > MOST  # a fraction that was rounded up to 1
    mantissas, shifts = np.where(full, mantissas >> 1, mantissas), np.where(full, shifts - 1, shifts)
    _check(shifts, factors)
    return mantissas, shifts


def together(factors: ArrayLike, offsets: ArrayLike = 0.0) -> tuple[Integers, Integers, int]:
    """Return (mantissas, offsets times 2 ** shift, shift) with one shift for all, for a sum that is rounded once.

    The shift is the largest at which every mantissa has at most 30 bits and every offset at most 60. So 64 bits hold
    the sum of two products with integers of 17 bits and an offset.

    Raises:
        CalibrationError: a factor is 2 ** 30 or more.
    """
    shift = min(30 - _exponent(factors), 60 - _exponent(offsets), LAST_SHIFT)
    _check(np.array(shift), factors)
    mantissas = np.rint(np.ldexp(np.asarray(factors, np.float64), shift)).astype(np.int64)
    return mantissas, np.rint(np.ldexp(np.asarray(offsets, np.float64), shift)).astype(np.int64), shift


def rescale(x: Integers, mantissa: Integers | int, shift: Integers | int) -> Integers:
    """Compute x * mantissa / 2 ** shift, rounded once, halves up; correct while |x * mantissa| is below 2 ** 62."""
    return halve(x * mantissa, shift)


def halve(x: Integers, shift: Integers | int) -> Integers:
    """Compute x / 2 ** shift, rounded once, halves up."""
    y: Integers = (x + (np.int64(1) << (shift - 1))) >> shift
    return y


def _exponent(xs: ArrayLike) -> int:
    """Return the smallest exponent e with all magnitudes below 2 ** e."""
    return int(np.frexp(np.abs(xs).max())[1])


def _check(shifts: Integers, factors: ArrayLike) -> None:
    if (shifts < 1).any():
        raise CalibrationError(
            f"a factor of {np.abs(factors).max():.3g} arrived; expected one below 2 ** 30: one range is far too small "
            "for the values that are added to it or multiplied with it; calibrate on longer sequences"
        )


ROOT_STEPS = 4  # Newton steps: the error is 0.127 after the line below, then 0.025, 9.5e-4, 1.4e-6 and 2.8e-12
ROOT_LINE = 1184717647, 357913941  # 2.20671 * 2 ** 29 and 4 / 3 * 2 ** 28: the minimax line of 1 / sqrt(t)
ROOT_POINT = 45  # fractional bits of the result of `inverse_root`


def inverse_root(v: Integers) -> tuple[Integers, Integers]:
    """Return (x, e) with 1 / sqrt(v) = x / 2 ** (45 + e), for v from 1 to 2 ** 62 - 1; x has 31 bits, |e| <= 15.

    v is a * 4 ** e with a from 2 ** 30 to 2 ** 32 - 1; bits shifted out on the right are dropped. With t = a / 2 ** 32,
    x / 2 ** 29 is 1 / sqrt(t), from 1 to 2. It is computed by a line and four Newton steps x = x * (3 - t * x * x) / 2,
    where each product is shifted to the right (rounded down). No intermediate value reaches 2 ** 63: x is at most
    2 ** 30 + 2; x * x >> 29 is at most 2 ** 31 + 4 (only for the smallest t, else its product with a is smaller); and
    3 - t * x * x is below 2 ** 31. The relative error is below 2 ** -28.
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


INTERVALS, END = 512, 8  # the table of tanh: equal intervals from 0 to 8
POSITION = 15  # fractional bits of the argument of tanh: 6 for the interval, 9 within it
ONE = 1 << 15  # the integer that represents 1 in the result of tanh


@cache
def tanh_table() -> Integers:
    """Return tanh at 0, 1/64, ... 8 as 513 integers from 0 to 32768."""
    table: Integers = np.rint(np.tanh(np.arange(INTERVALS + 1) * (END / INTERVALS)) * ONE).astype(np.int64)
    table.setflags(write=False)
    return table


@cache
def tanh_rises() -> Integers:
    """Return the rise of the table of tanh over each interval, and 0 beyond its end."""
    rises: Integers = np.append(np.diff(tanh_table()), 0)
    rises.setflags(write=False)
    return rises


def tanh(position: Integers) -> Integers:
    """Compute the hyperbolic tangent of position / 32768 in steps of 1/32768, by linear interpolation of the table.

    The largest error over all positions is 1.6 steps: 0.8 by the interpolation, and two roundings.
    """
    within = POSITION - 6
    at = np.minimum(np.abs(position), END << POSITION)
    i = at >> within
    t = entries(i, tanh_table()) + halve(entries(i, tanh_rises()) * (at & ((1 << within) - 1)), within)
    y: Integers = t * np.sign(position)
    return y


PARTS = 256  # intervals of the tables of 2 ** -f and of log2(1 + f), for f from 0 to 1
POWER_POINT, POWER_ONE = 18, 1 << 30  # fractional bits of the argument of `power`; the integer for 1 in its result
LOG_POINT = 24  # fractional bits of the result of `logarithm`


@cache
def power_table() -> Integers:
    """Return 2 ** -f at 0, 1/256, ... 1 as 257 integers from 2 ** 30 down to 2 ** 29."""
    table: Integers = np.rint(np.exp2(-np.arange(PARTS + 1) / PARTS) * POWER_ONE).astype(np.int64)
    table.setflags(write=False)
    return table


def power(position: Integers) -> Integers:
    """Return 2 ** -(position / 2 ** 18) in steps of 2 ** -30 for position >= 0, by linear interpolation of the table.

    The relative error of the interpolation is below 2 ** -20. Exponents beyond 31 give the result of 31, which is 0 or
    1 steps.
    """
    at = np.minimum(position, 31 << POWER_POINT)
    f, within = at & ((1 << POWER_POINT) - 1), POWER_POINT - 8
    i = f >> within
    low, high = entries(i, power_table()), entries(i + 1, power_table())
    y: Integers = (low + halve((high - low) * (f - (i << within)), within)) >> (at >> POWER_POINT)
    return y


@cache
def logarithm_table() -> Integers:
    """Return log2(1 + f) at 0, 1/256, ... 1 as 257 integers from 0 to 2 ** 24."""
    table: Integers = np.rint(np.log2(1 + np.arange(PARTS + 1) / PARTS) * (1 << LOG_POINT)).astype(np.int64)
    table.setflags(write=False)
    return table


def logarithm(x: Integers) -> Integers:
    """Return log2(x) in steps of 2 ** -24 for x from 1 to 65535, by linear interpolation of the table.

    The error of the interpolation is below 3e-6.
    """
    whole, f = np.full_like(x, 15), x
    for k in (8, 4, 2, 1):
        small = f < np.int64(1) << (16 - k)
        f, whole = np.where(small, f << k, f), whole - k * small
    f = f - (1 << 15)
    i = f >> 7
    low, high = entries(i, logarithm_table()), entries(i + 1, logarithm_table())
    y: Integers = (whole << LOG_POINT) + low + halve((high - low) * (f - (i << 7)), 7)
    return y
