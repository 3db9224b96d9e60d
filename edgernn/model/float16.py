"""Rounding of scales and biases to float16, so that each takes two bytes in a file.

Beside weights of 8 bits or fewer, scales and biases of 11 bits are exact enough: half a step of 8 bits is 1/254 of the
largest weight of a row, and half a step of 11 bits is 1/2,048.
"""

import numpy as np

from edgernn.array import Array

LEAST, MOST = 2.0**-14, 65504.0  # the smallest normal float16, and the largest


def nearest(x: Array) -> Array:
    """Round to float16, half to even, and return the dtype of x; each error is at most 2 ** -11 of the largest number.

    When the largest magnitude is not a normal float16, return x unchanged.
    """
    largest = np.abs(x).max(initial=0)
    return x.astype(np.float16).astype(x.dtype) if LEAST <= largest <= MOST else x


def above(x: Array) -> Array:
    """Round up to float16, and return the dtype of x, which has no negative numbers; each grows by at most 2 ** -10.

    When a number other than 0 is not a normal float16, return x unchanged.
    """
    some = x[x > 0]
    if some.min(initial=LEAST) < LEAST or some.max(initial=LEAST) > MOST:
        return x
    near = x.astype(np.float16)
    up = np.where(near.astype(x.dtype) < x, np.nextafter(near, np.float16(MOST)), near)
    return up.astype(x.dtype)


def held(x: Array) -> bool:
    """Return whether float16 represents every number exactly."""
    with np.errstate(over="ignore"):
        return bool((x.astype(np.float16) == x).all())
