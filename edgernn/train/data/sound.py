"""Sound in and sound out: the transforms around a network that answers a gain for each band, and one for the voice."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.cells import Activation, BandMask, Concat, Istft, LogBands, Slice, Stft
from edgernn.model.layer import Layer

SOUND, VOICE = "sound", "voice"
"""The outputs of a denoiser: the samples of a hop, and the probability that somebody speaks in it."""

SPECTRUM = "stft"
"""The name of the layer whose spectrum is masked."""


@dataclass(frozen=True)
class Transforms:
    """The cells before and after such a network.

    The network reads the log energies of the bands. Its outputs are a score for each band, whose sigmoid is the gain,
    and the score of the voice. The sound comes back by overlap-add and is late by the overlap of the windows.

    Attributes:
        stft: samples to spectra.
        bands: spectra to log energies.
        mask: gains and spectra to spectra.
        istft: spectra to samples.
    """

    stft: Stft
    bands: LogBands
    mask: BandMask
    istft: Istft

    @property
    def hop(self) -> int:
        """The samples of a frame."""
        return self.stft.inputs

    @property
    def delay_frames(self) -> int:
        """By how many frames the output is late: a window is a whole number of hops."""
        return self.stft.window.size // self.hop - 1

    @property
    def scores(self) -> int:
        """The outputs of the network."""
        return self.bands.bands + 1

    @property
    def outputs(self) -> Mapping[str, int]:
        """The width of each output of the model, by name."""
        return {SOUND: self.hop, VOICE: 1}

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers after the network."""
        bands = self.bands.bands
        return (
            Layer("answers", Activation("sigmoid")),
            Layer("gains", Slice(self.scores, 0, bands)),
            Layer(VOICE, Slice(self.scores, bands, self.scores), ("answers",)),
            Layer("masked", self.mask, ("gains", SPECTRUM)),
            Layer(SOUND, self.istft),
            Layer("outputs", Concat(), (SOUND, VOICE)),
        )
