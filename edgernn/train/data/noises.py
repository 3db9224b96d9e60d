"""Noises by documented formulas, to add to speech.

The units are arbitrary: `mixed` sets the level. `u(a, b)` is a number drawn evenly from a to b for each noise.

- white, pink, brown, blue: Gaussian noise with a power of 1 / f ** slope, slope 0, 1, 2 and -1 (`background.noise`).
- hum: all harmonics k of u(45, 65) Hz below half the rate, with amplitude k ** -u(0.5, 1.5) and random phases.
- engine: as hum, of a fundamental u(70, 130) Hz that turns faster and slower by 15 % with u(0.2, 0.7) Hz.
- impacts: u(2, 8) bursts a second at random times: white noise times exp(-t / u(5 ms, 50 ms)), amplitude u(0.2, 1).
- rain: 400 drops a second at random times: sin(2 pi u(800 Hz, half the rate) t) exp(-t / 1.5 ms), amplitude u(0, 1).
- gusts: pink noise times 0.1 + sin(pi u(0.3, 1) t + phase) ** 4.
- babble: u(4, 8) streams of other speakers, each from a random place and with equal power.
- reverberation: the late sound of the room: speech convolved with white noise times exp(-6.9 t / u(0.3, 0.8) s), which
  has decayed by 60 dB after that time (M. Schroeder, "New method of measuring reverberation time", JASA 37, 1965),
  without its first 30 ms, which belong to the speech.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from edgernn.array import Array
from edgernn.train.data import background

EARLY_S = 0.03  # of a room: its sound until then is a part of the speech


@dataclass(frozen=True, eq=False)
class Scene:
    """What a noise may depend on.

    Attributes:
        speech: (samples,) the speech that the noise is added to.
        others: speech of other speakers, (samples,) each.
        rate_hz: samples per second.
        random: the random generator.
    """

    speech: Array
    others: Sequence[Array]
    rate_hz: int
    random: np.random.Generator

    @property
    def times(self) -> Array:
        """(samples,) the seconds since the first sample."""
        return np.arange(len(self.speech)) / self.rate_hz


def mixed(speech: Array, noise: Array, snr_db: float) -> Array:
    """The noise (samples,) float32 at the level that gives this signal-to-noise ratio over the whole clip.

    The ratio is the energy of the speech over that of the noise, both (samples,). Speech of zeros gives zeros.
    """
    energies = [float(np.square(each, dtype=np.float64).sum()) for each in (speech, noise)]
    if energies[1] == 0:
        return np.zeros(len(noise), np.float32)
    scaled: Array = (noise * np.sqrt(energies[0] / energies[1]) * 10 ** (-snr_db / 20)).astype(np.float32)
    return scaled


def _coloured(slope: float) -> Callable[[Scene], Array]:
    return lambda scene: background.noise(len(scene.speech), slope, 0.0, scene.random)


def _harmonics(scene: Scene, fundamental_hz: Array, steepness: float) -> Array:
    """The sum of all harmonics of a fundamental (samples,) that stay below half the rate."""
    phase = 2 * np.pi * np.cumsum(fundamental_hz) / scene.rate_hz
    count = int(scene.rate_hz / 2 / fundamental_hz.max())
    total = np.zeros(len(phase))
    for k in range(1, count + 1):
        total += k**-steepness * np.sin(k * phase + scene.random.uniform(0, 2 * np.pi))
    return total


def _hum(scene: Scene) -> Array:
    fundamental = np.full(len(scene.speech), scene.random.uniform(45, 65))
    return _harmonics(scene, fundamental, scene.random.uniform(0.5, 1.5))


def _engine(scene: Scene) -> Array:
    turning = np.sin(2 * np.pi * scene.random.uniform(0.2, 0.7) * scene.times + scene.random.uniform(0, 2 * np.pi))
    return _harmonics(scene, scene.random.uniform(70, 130) * (1 + 0.15 * turning), scene.random.uniform(0.5, 1.5))


def _scattered(scene: Scene, per_s: float, event: Callable[[], Array]) -> Array:
    """Events at random times, as of a Poisson process; at least one."""
    n, random = len(scene.speech), scene.random
    total = np.zeros(n)
    for start in random.integers(0, n, max(1, random.poisson(per_s * n / scene.rate_hz))):
        part = event()[: n - start]
        total[start : start + len(part)] += part
    return total


def _impacts(scene: Scene) -> Array:
    random, decay_s = scene.random, scene.random.uniform(0.005, 0.05)
    t = np.arange(round(5 * decay_s * scene.rate_hz)) / scene.rate_hz

    def burst() -> Array:
        struck: Array = random.uniform(0.2, 1) * random.standard_normal(len(t)) * np.exp(-t / decay_s)
        return struck

    return _scattered(scene, random.uniform(2, 8), burst)


def _rain(scene: Scene) -> Array:
    random, t = scene.random, np.arange(round(0.008 * scene.rate_hz)) / scene.rate_hz

    def drop() -> Array:
        pitch_hz = random.uniform(min(800, scene.rate_hz / 4), scene.rate_hz / 2)
        ringing: Array = random.uniform(0, 1) * np.sin(2 * np.pi * pitch_hz * t) * np.exp(-t / 0.0015)
        return ringing

    return _scattered(scene, 400, drop)


def _gusts(scene: Scene) -> Array:
    rate, phase = scene.random.uniform(0.3, 1), scene.random.uniform(0, np.pi)
    blown: Array = _coloured(1.0)(scene) * (0.1 + np.sin(np.pi * rate * scene.times + phase) ** 4)
    return blown


def _babble(scene: Scene) -> Array:
    n, random = len(scene.speech), scene.random
    total = np.zeros(n)
    for _ in range(random.integers(4, 9)):
        voice = np.roll(np.resize(scene.others[int(random.integers(len(scene.others)))], n), random.integers(n))
        total += voice / np.sqrt(np.mean(np.square(voice, dtype=np.float64)) + 1e-12)
    return total


def _reverberation(scene: Scene) -> Array:
    n, random, decay_s = len(scene.speech), scene.random, scene.random.uniform(0.3, 0.8)
    t = np.arange(round(decay_s * scene.rate_hz)) / scene.rate_hz
    response = random.standard_normal(len(t)) * np.exp(-6.9 * t / decay_s) * (t >= EARLY_S)
    size = 1 << (n + len(t) - 1).bit_length()
    late: Array = np.fft.irfft(np.fft.rfft(scene.speech, size) * np.fft.rfft(response, size), size)[:n]
    return late


NOISES: Mapping[str, Callable[[Scene], Array]] = MappingProxyType(
    {
        "white": _coloured(0.0),
        "pink": _coloured(1.0),
        "brown": _coloured(2.0),
        "blue": _coloured(-1.0),
        "hum": _hum,
        "engine": _engine,
        "impacts": _impacts,
        "rain": _rain,
        "gusts": _gusts,
        "babble": _babble,
        "reverberation": _reverberation,
    }
)
"""The name of a noise -> its formula: (samples,) for a scene."""
