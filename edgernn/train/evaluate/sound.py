"""Denoised sound beside the speech in it: the scale-invariant signal-to-distortion ratio, and its gain."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.train.data.sequences import Data, Sequences

LEAST = 1e-20  # of an energy


@dataclass(frozen=True, eq=False)
class Heard:
    """A clip before and after, aligned: what the model is late by is cut off.

    Attributes:
        noisy, denoised, speech: (samples,) float32.
        source: what the clip is.
        rate_hz: samples per second; 0 where it is unknown.
    """

    noisy: Array
    denoised: Array
    speech: Array
    source: str
    rate_hz: float

    @property
    def before_db(self) -> float:
        """The ratio of the noisy sound."""
        return si_sdr_db(self.noisy, self.speech)

    @property
    def after_db(self) -> float:
        """The ratio of the denoised sound."""
        return si_sdr_db(self.denoised, self.speech)

    @property
    def gain_db(self) -> float:
        """By how much the model improves the ratio."""
        return self.after_db - self.before_db


def si_sdr_db(estimate: Array, truth: Array) -> float:
    """The scale-invariant signal-to-distortion ratio in decibels, both (samples,).

    10 log10(|a s|^2 / |a s - e|^2) with a = e . s / |s|^2: J. Le Roux et al., "SDR - half-baked or well done?"
    (arXiv:1811.02508), equation 5.
    """
    e, s = estimate.astype(np.float64), truth.astype(np.float64)
    target = (e @ s) / max(float(s @ s), LEAST) * s
    distortion = target - e
    return float(10 * np.log10(max(float(target @ target), LEAST) / max(float(distortion @ distortion), LEAST)))


def heard(outputs: Array, frames: Array, targets: Array, source: str, data: Data) -> Heard:
    """A clip as the model answers it.

    Args:
        outputs: (time, hop + 1) of the model.
        frames: (time, hop), the noisy sound.
        targets: (time, 2 * hop + 1).
        source: what the clip is.
        data: of the clip.
    """
    hop, end = data.inputs, len(frames) - data.delay_frames
    rate_hz = 1000 * hop / data.period_ms if data.period_ms else 0.0
    return Heard(
        frames[:end].ravel(), outputs[data.delay_frames :, :hop].ravel(), targets[:end, :hop].ravel(), source, rate_hz
    )


def voice_accuracy(outputs: Sequence[Array], part: Sequences, data: Data) -> float:
    """The part of all frames in which the model is right about the voice."""
    hop, late = data.inputs, data.delay_frames
    right = [
        (answers[late:, hop] > 0.5) == (targets[: len(targets) - late, 2 * hop] > 0.5)
        for answers, targets in zip(outputs, part.targets, strict=True)
    ]
    return float(np.mean(np.concatenate(right)))
