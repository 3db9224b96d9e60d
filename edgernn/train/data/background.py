"""What a microphone hears when nobody speaks: noise of a colour and a level."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError

Array = NDArray[Any]

SILENCE = "_silence_"  # the class of clips in which nobody speaks, called as in Speech Commands
STEEPEST = 2.0  # white is 0, pink 1, brown 2


def noise(n: int, slope: float, level_db: float, random: np.random.Generator) -> Array:
    """Gaussian noise (n,) float32 of mean 0, whose power falls with the frequency to the power of `slope`.

    Args:
        n: samples, at least two.
        slope: 0 for white noise, 1 for pink, 2 for brown.
        level_db: its root mean square, in decibels below (so negative) that of a constant 1, the full scale.
        random: where it comes from.
    """
    spectrum = np.fft.rfft(random.standard_normal(n))
    spectrum[0] = 0
    spectrum[1:] *= np.arange(1.0, len(spectrum)) ** (-slope / 2)
    made = np.fft.irfft(spectrum, n)
    loud: Array = (made * 10 ** (level_db / 20) / np.sqrt(np.mean(made**2))).astype(np.float32)
    return loud


def drawn(n: int, levels_db: Sequence[float], random: np.random.Generator) -> Array:
    """Noise (n,) of a colour between white and brown and a level of this range, both by chance."""
    return noise(n, random.uniform(0, STEEPEST), random.uniform(levels_db[0], levels_db[1]), random)


def check_levels(levels_db: Sequence[float], name: str) -> None:
    """Refuse what is no range of levels below the full scale.

    Raises:
        UsageError: not two numbers, or not in order, or above 0.
    """
    if len(levels_db) != 2 or not levels_db[0] <= levels_db[1] <= 0:
        raise UsageError(
            f"{name} is {list(levels_db)}; expected [lowest, highest] below the full scale in decibels, as [-80, -30]"
        )
