"""The clips of a denoiser in a report: players of what it hears and answers, and their spectrograms."""

from base64 import b64encode
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from edgernn.array import Array
from edgernn.files.sound import to_wav
from edgernn.pages.drawing import STYLE, plain, svg
from edgernn.train.evaluate.sound import Heard

PARTS = ("noisy", "denoised", "speech")
"""What is played and drawn of a clip, in this order."""

FASTEST, SLOWEST = 48_000, 4_000  # samples per second that players take
RANGE_DB = 70.0  # of a spectrogram, below its loudest point


def chosen(sounds: Sequence[Heard]) -> list[Heard]:
    """The clips with the least, the median and the largest gain; fewer where there are fewer."""
    order = sorted(sounds, key=lambda each: each.gain_db)
    return [order[k] for k in sorted({0, (len(order) - 1) // 2, len(order) - 1})]


def players(clip: Heard) -> Markup:
    """A player for each of PARTS, with the sound inside of the page; none at a rate that browsers do not play."""
    if not SLOWEST <= clip.rate_hz <= FASTEST:
        return Markup("")
    element = Markup("<figure><figcaption>{}</figcaption>{}</figure>")
    sound = Markup('<audio controls src="data:audio/wav;base64,{}"></audio>')
    files = [b64encode(to_wav(getattr(clip, part), round(clip.rate_hz))).decode() for part in PARTS]
    return Markup("").join(element.format(part, sound.format(file)) for part, file in zip(PARTS, files, strict=True))


def caption(clip: Heard) -> str:
    """What a clip is, and its ratios."""
    return (
        f"{plain(clip.source)}: SI-SDR from {clip.before_db:.1f} to {clip.after_db:.1f} dB, a gain of "
        f"{clip.gain_db:.1f} dB."
    )


@rc_context(STYLE)
def spectrogram(clip: Heard) -> Markup:
    """The spectrograms of PARTS on one scale, in decibels below the loudest point of the noisy sound."""
    figure = Figure((8.8, 2.6), layout="constrained")
    several = figure.subplots(1, len(PARTS), sharey=True)
    powers = [_power(getattr(clip, part)) for part in PARTS]
    top = 10 * np.log10(powers[0].max() + 1e-12)
    end = (len(clip.noisy) / clip.rate_hz, clip.rate_hz / 2000) if clip.rate_hz else powers[0].shape
    for axes, part, power in zip(several, PARTS, powers, strict=True):
        axes.imshow(
            10 * np.log10(power.T + 1e-12),
            aspect="auto",
            origin="lower",
            extent=(0, end[0], 0, end[1]),
            vmin=top - RANGE_DB,
            vmax=top,
            cmap="magma",
        )
        axes.set(title=part, xlabel="s" if clip.rate_hz else "frame")
    several[0].set_ylabel("kHz" if clip.rate_hz else "bin")
    return svg(several[0], f"spectrograms of {plain(clip.source)}")


def _power(sound: Array, window: int = 256) -> Array:
    """(frames, bins): the power of windows that overlap by half; short sound is padded with zeros."""
    padded = np.pad(sound, (0, max(0, window - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 2]
    power: Array = np.abs(np.fft.rfft(windows * np.hanning(window))) ** 2
    return power
