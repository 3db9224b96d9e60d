"""Numbers that half precision holds exactly: rounded so where that loses nothing that counts, they take two bytes.

Beside weights of 8 bits or fewer, scales and biases of 11 bits are exact enough: half a step of 8 bits is 1 part in 254
of the largest weight of a row, and half a step of 11 bits 1 part in 2,048.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST, MOST = 2.0**-14, 65504.0  # between them float16 has all of its 11 bits


def nearest(x: Array) -> Array:
    """The numbers rounded to float16, half to even, in the dtype of x: each is off by 2 ** -11 of the largest at most.

    Where the largest lies beyond what float16 has all bits for, x itself.
    """
    largest = np.abs(x).max(initial=0)
    return x.astype(np.float16).astype(x.dtype) if LEAST <= largest <= MOST else x


def above(x: Array) -> Array:
    """The smallest numbers of 11 bits that are not below x, which has no negative ones: each at most 2 ** -10 more.

    Where one that is not 0 lies beyond what float16 has all bits for, x itself.
    """
    some = x[x > 0]
    if some.min(initial=LEAST) < LEAST or some.max(initial=LEAST) > MOST:
        return x
    near = x.astype(np.float16)
    up = np.where(near.astype(x.dtype) < x, np.nextafter(near, np.float16(MOST)), near)
    return up.astype(x.dtype)


def held(x: Array) -> bool:
    """Whether float16 holds every number exactly."""
    with np.errstate(over="ignore"):
        return bool((x.astype(np.float16) == x).all())
