"""Audio augmentation: random changes of speed, level, noise, position and vocal tract length."""

from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.errors import UsageError
from edgernn.train.data.features import in_hops


def speed(samples: Array, factor: float) -> Array:
    """Change speed and pitch by a factor: (samples,) -> (samples / factor,), by linear interpolation.

    T. Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015).
    """
    at = np.arange(max(1, round(len(samples) / factor))) * factor
    played: Array = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return played


def gain(samples: Array, decibels: float) -> Array:
    """Change the level by decibels; (samples,) -> (samples,)."""
    louder: Array = (samples * 10 ** (decibels / 20)).astype(np.float32)
    return louder


def noise(samples: Array, snr_db: float, random: np.random.Generator) -> Array:
    """Add white noise at a signal-to-noise ratio in decibels; (samples,) -> (samples,)."""
    deviation = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-snr_db / 20)
    noisy: Array = (samples + deviation * random.standard_normal(len(samples))).astype(np.float32)
    return noisy


def shift(samples: Array, later: int) -> Array:
    """Shift to a later time with zeros before, or to an earlier time and drop samples; -> (samples + later,)."""
    return np.pad(samples, (later, 0)) if later > 0 else samples[min(-later, len(samples) - 1) :]


def warp(frames: Array, factor: float) -> Array:
    """Stretch the band axis of log-mel frames, as a vocal tract of another length does. (time, bands) -> the same.

    N. Jaitly and G. Hinton, "Vocal tract length perturbation" (ICML 2013 workshop), on the mel axis.
    """
    bands = frames.shape[1]
    at = np.clip(np.arange(bands) * factor, 0, bands - 1)
    low = np.minimum(at.astype(int), bands - 2)
    part = (at - low).astype(np.float32)
    stretched: Array = frames[:, low] * (1 - part) + frames[:, low + 1] * part
    return stretched


@dataclass(frozen=True)
class Augmentation:
    """The range of each variation. Every draw is uniform; 0 disables the variation.

    Attributes:
        speed: the largest relative change of the speed: 0.1 for factors from 0.9 to 1.1.
        gain_db: the largest change of the level.
        snr_db: (lowest, highest) signal-to-noise ratio of white noise; empty for no noise.
        shift: the largest shift of a clip in either direction, in samples.
        warp: the largest relative change of the mel axis.

    Raises:
        UsageError: A range is invalid.
    """

    speed: float = 0.0
    gain_db: float = 0.0
    snr_db: tuple[float, ...] = ()
    shift: int = 0
    warp: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.speed < 1 and 0 <= self.warp < 1 and self.gain_db >= 0 and self.shift >= 0):
            raise UsageError(
                f"got {self}; expected speed and warp of at least 0 and below 1, gain_db and shift of at least 0"
            )
        if self.snr_db and (len(self.snr_db) != 2 or self.snr_db[0] > self.snr_db[1]):
            raise UsageError(f"snr_db is {list(self.snr_db)}; expected [lowest, highest], such as [10, 40]")

    def samples(self, frames: Array, random: np.random.Generator) -> Array:
        """Augment a clip (time, hop) of raw samples. The time may change; at least one hop remains."""
        hop = frames.shape[1]
        clip = frames.reshape(-1)
        if self.speed:
            clip = speed(clip, random.uniform(1 - self.speed, 1 + self.speed))
        if self.shift:
            clip = shift(clip, int(random.integers(-self.shift, self.shift + 1)))
        if self.gain_db:
            clip = gain(clip, random.uniform(-self.gain_db, self.gain_db))
        clip = np.pad(clip, (0, max(0, hop - len(clip))))
        if self.snr_db:
            clip = noise(clip, random.uniform(self.snr_db[0], self.snr_db[1]), random)
        return in_hops(clip, hop)

    def features(self, frames: Array, random: np.random.Generator) -> Array:
        """Augment the log-mel frames (time, bands) of a clip."""
        return warp(frames, random.uniform(1 - self.warp, 1 + self.warp)) if self.warp else frames
