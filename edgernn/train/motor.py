"""A synthetic motor: the vibration of a bearing housing in five conditions, from textbook formulas.

The signal is that of an accelerometer at 2 kHz, in g. The motor turns at f = 24 to 30 Hz (1440 to 1800 rpm):

- healthy: small lines at f and 2 f, the residual imbalance and misalignment of any motor;
- imbalance: a line at f with several times that amplitude; the centrifugal force m r (2 pi f)^2 turns once per turn;
- misalignment: a line at 2 f that exceeds the line at f, and a line at 3 f; the coupling is strained twice per turn;
- bearing: an outer race defect, struck at BPFO = n / 2 * f * (1 - d / D * cos(a)) with n = 9 balls, d / D = 0.2 and
  contact angle a = 0; each strike excites the resonance of the housing at 640 Hz, which decays within milliseconds;
- looseness: harmonics k f whose amplitudes fall slowly, and the half order f / 2, because the foot lifts every other
  turn.

White noise is added to all. The patterns are those of R. B. Randall, "Vibration-based condition monitoring" (Wiley,
2011). The data are synthetic: they show that the tools work, not that a model finds faults in a real motor.
"""

import io
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array

CONDITIONS = ("healthy", "imbalance", "misalignment", "bearing", "looseness")
RATE_HZ = 2000
FRAME = 20  # samples per step
PERIOD_MS = 1000 * FRAME / RATE_HZ

BALLS, BALL_TO_PITCH = 9, 0.2
RESONANCE_HZ, DECAY_PER_S = 640.0, 400.0
NOISE_G = 0.05


@dataclass(frozen=True)
class Recordings:
    """Recordings of one motor."""

    frames: Array  # (recordings, time, FRAME) float32, in g
    conditions: Array  # (recordings,) int64, indices into CONDITIONS


def record(recordings: int, seconds: float, seed: int) -> Recordings:
    """Generate recordings that cycle through the conditions."""
    random = np.random.default_rng(seed)
    steps = round(seconds * RATE_HZ / FRAME)
    conditions = np.arange(recordings) % len(CONDITIONS)
    signals = [_vibration(CONDITIONS[condition], steps * FRAME, random) for condition in conditions]
    return Recordings(np.stack(signals).reshape(recordings, steps, FRAME).astype(np.float32), conditions)


def to_npz(train: Recordings, test: Recordings) -> bytes:
    """The recordings as an .npz file for the reader `npz`."""
    buffer = io.BytesIO()
    labels = np.array(CONDITIONS)
    np.savez(
        buffer,
        x_train=train.frames,
        y_train=train.conditions,
        x_test=test.frames,
        y_test=test.conditions,
        labels=labels,
    )
    return buffer.getvalue()


def _vibration(condition: str, samples: int, random: np.random.Generator) -> Array:
    t = np.arange(samples) / RATE_HZ
    f = random.uniform(24, 30)
    lines = {1.0: random.uniform(0.05, 0.15), 2.0: random.uniform(0.02, 0.06)}
    if condition == "imbalance":
        lines[1.0] = random.uniform(0.4, 0.9)
    elif condition == "misalignment":
        lines |= {1.0: random.uniform(0.1, 0.25), 2.0: random.uniform(0.35, 0.7), 3.0: random.uniform(0.1, 0.25)}
    elif condition == "looseness":
        first = random.uniform(0.25, 0.5)
        lines = {float(k): first / k**0.5 for k in range(1, 9)} | {0.5: 0.4 * first}
    signal: Array = sum(
        (a * np.sin(2 * np.pi * order * f * t + random.uniform(0, 2 * np.pi)) for order, a in lines.items()),
        np.zeros(samples),
    )
    if condition == "bearing":
        signal += _strikes(t, f, random)
    return signal + NOISE_G * random.standard_normal(samples)


def _strikes(t: Array, f: float, random: np.random.Generator) -> Array:
    """The ringing after each ball passes the defect, with 1 % slip between strikes."""
    passing_hz = BALLS / 2 * f * (1 - BALL_TO_PITCH)
    gaps = random.normal(1, 0.01, int(t[-1] * passing_hz) + 2) / passing_hz
    since = t[:, None] - np.cumsum(gaps)[None, :]
    rings = np.where(since >= 0, np.exp(-DECAY_PER_S * np.maximum(since, 0)), 0) * np.sin(
        2 * np.pi * RESONANCE_HZ * since
    )
    struck: Array = random.uniform(0.5, 1.0) * rings.sum(axis=1)
    return struck
