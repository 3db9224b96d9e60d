"""The loss of sound: what the gains of a network leave of the speech and of the noise, after the inverse transform."""

from typing import Self

import torch
from torch.nn import functional as F

from edgernn.train.data.sound import Transforms
from edgernn.train.loop.batches import Batch
from edgernn.train.network.torch_ops import TorchOps

LEAST = 1e-3  # of the energy of the speech: errors below -30 dB have little gradient
SILENT = 1e-8  # added to energies, the mean square of a sample times this
COMPRESSION = 0.3  # of magnitudes
VOICE = 0.1  # the weight of the voice


class SoundLoss:
    """The distortion of the sound by a network's gains.

    The loss is the sum of three parts. The energy of the error relative to that of the speech, in decibels / 10: the
    negative signal-to-noise ratio, as in J. Le Roux et al., "SDR - half-baked or well done?" (arXiv:1811.02508), but
    without a free scale, so that the level is learned too. The mean square error of magnitudes ** 0.3, in which quiet
    bands count (S. Braun and I. Tashev, arXiv:2009.12286). The cross-entropy of the voice.

    Args:
        transforms: the cells around the network.
    """

    def __init__(self, transforms: Transforms) -> None:
        self._transforms, self._ops = transforms, TorchOps({})

    @classmethod
    def of(cls, transforms: Transforms | None) -> Self | None:
        """The loss of data with these transforms; None for any other kind."""
        return None if transforms is None else cls(transforms)

    def __call__(self, scores: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The mean loss of a batch, and the accuracy of the voice.

        Args:
            scores: (batch, time, bands + 1), the outputs of the network.
            batch: its targets are those of kind "sound"; (batch, time, 2 * hop + 1).
        """
        hop, late = self._transforms.hop, self._transforms.delay_frames
        speech, noise, voice = torch.split(batch.target, [hop, hop, 1], -1)
        counts = batch.mask[:, late + 1 :]  # of the outputs whose windows begin inside of the batch
        if not counts.any():
            return scores.sum() * 0.0, {}
        masked = self.masked(scores, speech + noise)
        estimate = self.samples(masked)[:, late + 1 :] * counts[..., None]
        truth = speech[:, 1 : -late or None] * counts[..., None]
        energy, error = (each.square().sum((1, 2)) for each in (truth, truth - estimate))
        floor = SILENT * hop * counts.sum(1)
        distortion = torch.log10((error + LEAST * energy + floor) / (energy + floor))
        ours, theirs = (self._magnitudes(each)[:, 1:] for each in (masked, self.spectra(speech)))
        spectral = F.mse_loss(ours, theirs)
        spoken, score = voice[:, 1 : -late or None, 0][counts], scores[:, late + 1 :, -1][counts]
        heard = F.binary_cross_entropy_with_logits(score, spoken)
        accuracy = ((score > 0) == (spoken > 0)).float().mean()
        return distortion.mean() + spectral + VOICE * heard, {"voice": accuracy}

    def masked(self, scores: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        """The masked spectra (batch, time, 2 * bins) of sound (batch, time, hop)."""
        return self._transforms.mask.join(self._ops, torch.sigmoid(scores[..., :-1]), self.spectra(noisy))

    def spectra(self, sound: torch.Tensor) -> torch.Tensor:
        """The spectra (batch, time, 2 * bins) of sound (batch, time, hop), as Stft answers them."""
        stft = self._transforms.stft
        before = F.pad(sound.flatten(1), (stft.window.size - stft.inputs, 0))
        return self._ops.rfft(before.unfold(1, stft.window.size, stft.inputs), stft.fft, stft.window)

    def samples(self, spectra: torch.Tensor) -> torch.Tensor:
        """The sound (batch, time, hop) of spectra, as Istft answers it."""
        istft, hop = self._transforms.istft, self._transforms.hop
        pieces = torch.split(self._ops.irfft(spectra, istft.fft, istft.synthesis), hop, -1)
        steps = spectra.shape[1]
        later = [F.pad(piece[:, : steps - k], (0, 0, k, 0)) for k, piece in enumerate(pieces)]
        return torch.stack(later).sum(0)

    def _magnitudes(self, spectra: torch.Tensor) -> torch.Tensor:
        re, im = spectra.chunk(2, -1)
        return (re.square() + im.square() + 1e-8) ** (COMPRESSION / 2)
