"""Spectra of real vectors: which sizes a transform may have, its definition by numpy, and as a matrix.

The bins 0 to size // 2 of a transform are one vector: their real parts, then their imaginary parts.
"""

from functools import cache
from math import inf
from typing import Any

import numpy as np

from edgernn.array import Array
from edgernn.errors import GraphError
from edgernn.model.tensor import Tensor

SPECTRA = ("rfft", "irfft")
"""The operations that are transforms."""

PRIMES = (2, 3, 5, 7)
SMALLEST, LARGEST = 2, 4096  # points; the matrix of the largest has 64 MiB


def bins(size: int) -> int:
    """Return the number of bins of a transform of this size."""
    return size // 2 + 1


def factors(size: int) -> tuple[int, ...] | None:
    """Return the prime factors of a size in ascending order; None where one is not in PRIMES."""
    primes, rest = [], size
    for prime in PRIMES:
        while rest > 1 and rest % prime == 0:
            primes.append(prime)
            rest //= prime
    return tuple(primes) if rest == 1 else None


@cache
def _sizes() -> tuple[int, ...]:
    return tuple(size for size in range(SMALLEST, LARGEST + 1) if factors(size) is not None)


def check_size(size: int) -> None:
    """Refuse a size that is not supported.

    Raises:
        GraphError: it names the nearest size that is; of two that are equally near, the larger.
    """
    if type(size) is int and SMALLEST <= size <= LARGEST and factors(size) is not None:
        return
    number = size if isinstance(size, int | float) and -inf < size < inf else SMALLEST
    nearest = min(reversed(_sizes()), key=lambda each: abs(each - number))
    raise GraphError(
        f"an fft of {size} points arrived; expected {SMALLEST} to {LARGEST:,} points whose only prime factors are "
        f"{', '.join(map(str, PRIMES[:-1]))} and {PRIMES[-1]}: the nearest size is {nearest}"
    )


def check_sizes(cell: str, hop: int, window: Any, size: int) -> None:
    """Refuse a hop, a window and a transform of a cell that do not fit together.

    Raises:
        GraphError: a size that is not supported, or not 1 <= hop <= window <= size.
    """
    check_size(size)
    samples = window.size if isinstance(window, Tensor) else 0
    if not 1 <= hop <= samples <= size:
        raise GraphError(
            f"{cell}: a hop of {hop}, a window of {samples} samples and an fft of {size} points arrived; expected 1 <= "
            "hop <= window <= fft"
        )


def rfft(x: Array, size: int, window: Array | None = None) -> Array:
    """Return the transform of x times the window, padded with zeros: (..., width) -> (..., 2 * bins), as x's dtype."""
    spectrum = np.fft.rfft((x if window is None else x * window).astype(np.float64), size)
    packed: Array = np.concatenate([np.real(spectrum), np.imag(spectrum)], axis=-1).astype(x.dtype)
    return packed


def irfft(x: Array, size: int, window: Array | None = None) -> Array:
    """Return the inverse: (..., 2 * bins) -> (..., size); with a window its first elements, times the window."""
    re, im = np.split(x.astype(np.float64), 2, axis=-1)
    y = np.fft.irfft(re + 1j * im, size)
    shaped: Array = (y if window is None else y[..., : len(window)] * window).astype(x.dtype)
    return shaped


def rfft_matrix(width: int, size: int, window: Array | None = None) -> Array:
    """Return the matrix of `rfft`, float64 (2 * bins, width)."""
    return rfft(np.eye(width), size, window).T


def irfft_matrix(size: int, window: Array | None = None) -> Array:
    """Return the matrix of `irfft`, float64 (size or window, 2 * bins)."""
    return irfft(np.eye(2 * bins(size)), size, window).T


def multiplications(size: int) -> int:
    """Return about how many real multiplications a transform takes: those of a complex one of half the size.

    A pass of each factor turns `points` complex numbers, with 4 products each; the halves take 4 more for each bin.
    """
    points = size // 2 if size % 2 == 0 else size
    passes = len(factors(points) or ())
    return 4 * (points * max(passes, 1) + bins(size))
