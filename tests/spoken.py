"""Spoken digits (FSDD) as log-mel frames, with the official split: recordings 0 to 4 of each speaker and digit are the test."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATE_HZ, WINDOW, HOP, BANDS, FFT = 8000, 200, 80, 20, 256  # 25 ms every 10 ms
TEST_INDICES = 5


@dataclass(frozen=True)
class Clips:
    """Clips of different lengths: frames (time, BANDS) float32 each, and the spoken digit."""

    frames: tuple[np.ndarray, ...]
    digits: np.ndarray


def load(folder: Path) -> tuple[Clips, Clips]:
    """The training and the test clips."""
    split: dict[bool, list[tuple[np.ndarray, int]]] = {False: [], True: []}
    for path in sorted(folder.glob("*.wav")):
        digit, _, index = path.stem.split("_")
        split[int(index) < TEST_INDICES].append((log_mel(_samples(path)), int(digit)))
    train, test = (
        Clips(tuple(f for f, _ in clips), np.array([d for _, d in clips])) for clips in (split[False], split[True])
    )
    return train, test


def log_mel(samples: np.ndarray) -> np.ndarray:
    """(samples,) -> (time, BANDS): the logarithm of the energy in triangular bands on the mel scale (HTK's formula)."""
    samples = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(windows, FFT)) ** 2
    return np.log(power @ _filters().T + 1e-6).astype(np.float32)


def _filters() -> np.ndarray:
    top = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(FFT, 1 / RATE_HZ)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    return np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))


def _samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
