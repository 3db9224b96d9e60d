"""Denoising of whole recordings by a model that streams, without its delay."""

from dataclasses import dataclass

import numpy as np

from edgernn.array import Array
from edgernn.artifact.manifest import Manifest
from edgernn.errors import FrameError, UnsupportedError, UsageError
from edgernn.process import interrupt
from edgernn.runtime.program import Program

OUTPUTS = ("sound", "voice")
"""The outputs of a model that denoises: the samples of a hop, and the probability of a voice in it."""

BLOCK = 256  # frames between two looks at an interruption


@dataclass(frozen=True, eq=False)
class Denoised:
    """A recording without its noise.

    Attributes:
        sound: float32, of the shape of the recording.
        voice: float32 (frames,), or (frames, channels): the probability that somebody speaks in a frame.
    """

    sound: Array
    voice: Array


def denoise(program: Program, sound: Array, rate_hz: int) -> Denoised:
    """Denoise a recording. Each channel has a stream of its own; sample k of the result is about sample k.

    The model is late by `delay_frames`: so many frames of zeros are appended, and the first answers are dropped. The
    last frame is filled with zeros.

    Args:
        program: of a model as the recipe `denoise` trains it, in any format.
        sound: (samples,) or (samples, channels), finite numbers, full scale -1 to 1.
        rate_hz: samples per second.

    Raises:
        UnsupportedError: the model does not denoise.
        UsageError: the rate is not that of the model.
        FrameError: the shape is another one, there are no samples, or one is not finite.
    """
    manifest = program.manifest
    expected_hz = sample_rate_hz(manifest, program.name)
    if abs(rate_hz - expected_hz) > 1e-6 * expected_hz:
        raise UsageError(
            f"the sound has {rate_hz:,} samples per second, and '{program.name}' takes {expected_hz:,.10g}; convert "
            "the sound, or train a model at its rate"
        )
    sound = np.asarray(sound, np.float32)
    if sound.ndim not in (1, 2) or not sound.size:
        raise FrameError(f"sound of shape {sound.shape} arrived; expected (samples,) or (samples, channels), not empty")
    bad = np.argwhere(~np.isfinite(sound))
    if len(bad):
        raise FrameError(f"sample {bad[0][0]} of the sound is not finite; expected numbers from -1 to 1")
    if sound.ndim == 1:
        return _channel(program, sound)
    channels = [_channel(program, each) for each in sound.T]
    return Denoised(*(np.stack([getattr(each, name) for each in channels], axis=1) for name in OUTPUTS))


def sample_rate_hz(manifest: Manifest, name: str) -> float:
    """Return the samples per second of a model that denoises.

    Raises:
        UnsupportedError: it has other outputs, takes several frames in a step, or its period is unknown.
    """
    hop, outputs = manifest.inputs, dict(manifest.named_outputs)
    if outputs != dict(zip(OUTPUTS, (hop, 1), strict=True)) or manifest.frames_per_step > 1:
        answers = ", ".join(f"{each} of {width}" for each, width in outputs.items()) or f"{manifest.outputs} values"
        raise UnsupportedError(
            f"'{name}' takes {hop} values in a step and answers {answers}; expected a model that denoises, with the "
            f"outputs sound of {hop} and voice of 1, as the recipe denoise trains it"
        )
    if manifest.period_ms is None:
        raise UnsupportedError(f"'{name}' has no period, so its sample rate is unknown; export it with --period")
    return 1000 * hop / manifest.period_ms


def _channel(program: Program, sound: Array) -> Denoised:
    """Denoise (samples,) from the initial state."""
    hop, late = program.manifest.inputs, program.manifest.delay_frames
    frames = np.pad(sound, (0, -len(sound) % hop + late * hop)).reshape(-1, hop)
    stream, parts = program.stream(), []
    for start in range(0, len(frames), BLOCK):
        interrupt.check()
        parts.append(stream.run(frames[start : start + BLOCK]))
    whole, voice = (np.concatenate([part[name] for part in parts])[late:] for name in OUTPUTS)
    return Denoised(whole.ravel()[: len(sound)], voice[:, 0])
