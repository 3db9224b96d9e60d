"""Background noise without speech, of a colour and a level."""

from collections.abc import Sequence

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError

SILENCE = "_silence_"  # the class of clips without speech, named as in Speech Commands
STEEPEST = 2.0  # slope: white is 0, pink 1, brown 2


def noise(n: int, slope: float, level_db: float, random: np.random.Generator) -> Array:
    """Gaussian noise (n,) float32 with mean 0 and a power spectrum proportional to 1 / frequency ** slope.

    Args:
        n: the number of samples, at least 2.
        slope: 0 for white noise, 1 for pink, 2 for brown.
        level_db: its root mean square in decibels relative to a constant 1, the full scale; negative.
        random: the random generator.
    """
    spectrum = np.fft.rfft(random.standard_normal(n))
    spectrum[0] = 0
    spectrum[1:] *= np.arange(1.0, len(spectrum)) ** (-slope / 2)
    samples = np.fft.irfft(spectrum, n)
    loud: Array = (samples * 10 ** (level_db / 20) / np.sqrt(np.mean(samples**2))).astype(np.float32)
    return loud


def draw_noise(n: int, levels_db: Sequence[float], random: np.random.Generator) -> Array:
    """Noise (n,) of a random colour between white and brown and a random level in a range."""
    return noise(n, random.uniform(0, STEEPEST), random.uniform(levels_db[0], levels_db[1]), random)


def check_levels(levels_db: Sequence[float], name: str) -> None:
    """Check a range of levels below the full scale.

    Raises:
        UsageError: It is not two numbers in order and at most 0.
    """
    if len(levels_db) != 2 or not levels_db[0] <= levels_db[1] <= 0:
        raise UsageError(
            f"{name} is {list(levels_db)}; expected [lowest, highest] in decibels relative to full scale, such as "
            "[-80, -30]"
        )
