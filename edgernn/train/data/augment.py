"""Variations of sound, so that a model learns the word and not the voice, the room or the microphone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import UsageError
from edgernn.train.data.features import in_hops

Array = NDArray[Any]


def speed(samples: Array, factor: float) -> Array:
    """Played `factor` times as fast, pitch and all: (samples,) -> (samples / factor,), by linear interpolation.

    T. Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015).
    """
    at = np.arange(max(1, round(len(samples) / factor))) * factor
    played: Array = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return played


def gain(samples: Array, decibels: float) -> Array:
    """Louder, or softer when below 0; (samples,) -> (samples,)."""
    louder: Array = (samples * 10 ** (decibels / 20)).astype(np.float32)
    return louder


def noise(samples: Array, snr_db: float, random: np.random.Generator) -> Array:
    """With white noise so many decibels below the mean power; (samples,) -> (samples,)."""
    deviation = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-snr_db / 20)
    noisy: Array = (samples + deviation * random.standard_normal(len(samples))).astype(np.float32)
    return noisy


def shift(samples: Array, later: int) -> Array:
    """Later by some samples, zeros before; or earlier, the first being lost. (samples,) -> (samples + later,)."""
    return np.pad(samples, (later, 0)) if later > 0 else samples[min(-later, len(samples) - 1) :]


def warp(frames: Array, factor: float) -> Array:
    """Log-mel frames of a vocal tract of another length: the axis of the bands is stretched. (time, bands) -> the same.

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
    """How far each variation may go; every draw is uniform, and 0 leaves it out.

    Attributes:
        speed: the largest change of the speed, as a part: 0.1 for factors from 0.9 to 1.1.
        gain_db: the largest change of the level.
        snr_db: (lowest, highest) distance of white noise below the mean power; nothing for none.
        shift: samples, the most that the clip moves either way.
        warp: the largest change of the mel axis, as a part.

    Raises:
        UsageError: a range that is none.
    """

    speed: float = 0.0
    gain_db: float = 0.0
    snr_db: tuple[float, ...] = ()
    shift: int = 0
    warp: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.speed < 1 and 0 <= self.warp < 1 and self.gain_db >= 0 and self.shift >= 0):
            raise UsageError(
                f"{self} arrived; expected speed and warp from 0 to below 1, gain_db and shift not negative"
            )
        if self.snr_db and (len(self.snr_db) != 2 or self.snr_db[0] > self.snr_db[1]):
            raise UsageError(f"snr_db is {list(self.snr_db)}; expected [lowest, highest], such as [10, 40]")

    def samples(self, frames: Array, random: np.random.Generator) -> Array:
        """A clip (time, hop) of raw samples varied; the time may change, at least one hop stays."""
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
        """Log-mel frames (time, bands) of a clip varied."""
        return warp(frames, random.uniform(1 - self.warp, 1 + self.warp)) if self.warp else frames
