"""Speech from WAV files with noises added: raw samples, whose targets are the speech and the noise in them."""

import os
from collections.abc import Sequence

import numpy as np

from edgernn.array import Array
from edgernn.cells import BandMask, Istft, LogBands, Stft
from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.model.tensor import Tensor
from edgernn.train.data.features import standardized
from edgernn.train.data.folder import LabelledFile, labelled_files
from edgernn.train.data.noises import NOISES, Scene, mixed
from edgernn.train.data.sequences import Data, Sequences
from edgernn.train.data.sound import SPECTRUM, Transforms
from edgernn.train.data.split import Split
from edgernn.train.data.wav import samples

PAUSE_S = (0.05, 0.5)  # between two recordings of a speaker
LEVEL_DB = (-36.0, -16.0)  # root mean square of the speech, relative to full scale
VOICED_DB = -35.0  # a frame is voice when its energy is within this of the loudest frame's


def read(
    path: str | os.PathLike[str],
    *,
    window: int,
    hop: int,
    bands: int,
    floor: float = 1e-6,
    pattern: str = "{label}_{group}_{index}",
    noises: Sequence[str] = ("white", "pink", "hum", "impacts", "babble", "reverberation"),
    test_noises: Sequence[str] = ("blue", "engine", "rain", "gusts", "babble"),
    snr_db: Sequence[float] = (-5, 20),
    test_snr_db: Sequence[float] = (5,),
    seconds: float = 4.0,
    clips: int = 600,
    test_clips: int = 60,
    rate_hz: int = 0,
    test_groups: Sequence[str] = (),
    test_share: float = 0.0,
    seed: int = 0,
) -> Data:
    """Read the .wav files of speakers below a folder, and mix clips of speech and noise: float32 (time, hop) samples.

    A clip is recordings of one speaker, each after a pause of 0.05 to 0.5 s, at a root mean square of -36 to -16
    decibels of full scale, and one noise. The targets are the speech, the noise, and whether a frame has voice.

    Args:
        path: the folder.
        window: samples of a spectrum: an even number, and a whole number of hops, two or more. The sound is late by all
            hops but one.
        hop: samples from one frame to the next; a step takes one hop.
        bands: mel bands that the network reads, and gains that it answers.
        floor: the power that is added before the logarithm.
        pattern: the pattern of file paths that names label, group and index; see `folder.labelled_files`. The group is
            the speaker.
        noises: the noises of the training part, each equally often; see `noises`.
        test_noises: those of the test part. Babble is of the speakers of the same part.
        snr_db: (lowest, highest) energy of speech to noise in the training part, in decibels.
        test_snr_db: the ratios of the test part, each equally often with every noise.
        seconds: the length of a clip.
        clips: the number of clips of the training part.
        test_clips: the number of clips of the test part.
        rate_hz: samples per second; 0 for that of the first file. Nothing is resampled.
        test_groups: hold out the recordings of these speakers. Exactly one test key is set.
        test_share: hold out this random share of the speakers.
        seed: the seed of that draw, and of all clips.

    Raises:
        FileError: A file is missing, truncated or empty, or has another rate or several channels.
        UsageError: The options are inconsistent, or a speaker or a noise does not exist.
        GraphError: The sizes of the transforms are inconsistent.
    """
    _check(window, hop, noises, test_noises, snr_db, test_snr_db)
    if seconds <= 0 or min(clips, test_clips) < 1:
        raise UsageError(f"{clips} and {test_clips} clips of {seconds:g} s; expected some of each, longer than 0")
    split = Split(groups=test_groups, share=test_share, seed=seed)
    files = labelled_files(path, (".wav",), pattern)
    rate_hz = rate_hz or samples(files[0].path)[1]
    taper = Tensor(np.sqrt(np.hanning(window + 1)[:-1]).astype(np.float32))
    spectrum = window + 2  # real and imaginary parts of window // 2 + 1 bins
    transforms = Transforms(
        Stft(hop, window, taper),
        LogBands(spectrum, rate_hz, bands, floor),
        BandMask(spectrum, rate_hz, bands),
        Istft(spectrum, hop, window, taper),
    )
    mask = split.mask([each.group for each in files])
    length = max(1, round(seconds * rate_hz / hop)) * hop
    low, high = snr_db
    training = _Part(files, ~mask, rate_hz, length, hop, np.random.default_rng((seed, 0)))
    held = _Part(files, mask, rate_hz, length, hop, np.random.default_rng((seed, 1)))
    ratios = np.random.default_rng((seed, 2)).uniform(low, high, clips)
    train = training.clips([(noises[k % len(noises)], float(each)) for k, each in enumerate(ratios)], len(noises))
    conditions = [(noise, ratio) for ratio in test_snr_db for noise in test_noises]
    test = held.clips([conditions[k % len(conditions)] for k in range(test_clips)], len(conditions))
    exact = standardized(((SPECTRUM, transforms.stft), ("bands", transforms.bands)), train.frames)
    return Data(
        train,
        test,
        "sound",
        hop,
        transforms.scores,
        period_ms=1000 * hop / rate_hz,
        exact=exact,
        transforms=transforms,
    )


class _Part:
    """The clips of the training or the test part, of its own speakers.

    Args:
        files: all recordings.
        mask: which of them are in the part.
        rate_hz: samples per second.
        length: samples of a clip.
        hop: samples of a frame.
        random: the random generator.
    """

    def __init__(
        self,
        files: Sequence[LabelledFile],
        mask: Array,
        rate_hz: int,
        length: int,
        hop: int,
        random: np.random.Generator,
    ) -> None:
        self._speakers: dict[str, list[Array]] = {}
        for each in (file for file, chosen in zip(files, mask, strict=True) if chosen):
            sound, rate = samples(each.path)
            if rate != rate_hz:
                raise FileError(f"'{each.path}' has {rate} samples per second; expected {rate_hz}: resample the file")
            self._speakers.setdefault(each.group, []).append(sound)
        self._rate_hz, self._length, self._hop, self._random = rate_hz, length, hop, random

    def clips(self, conditions: Sequence[tuple[str, float]], turn: int) -> Sequences:
        """A clip for each noise and ratio in decibels; after every `turn` clips it is the next speaker's."""
        names = list(self._speakers)
        if any(noise == "babble" for noise, _ in conditions) and len(names) < 2:
            raise UsageError(f"babble needs other speakers, and a part has {names[0]} alone; hold out other groups")
        made = [self._clip(names[k // turn % len(names)], *each) for k, each in enumerate(conditions)]
        frames, targets, sources = zip(*made, strict=True)
        return Sequences(frames, targets, tuple(f"clip {k}: {source}" for k, source in enumerate(sources)))

    def _clip(self, speaker: str, noise: str, snr_db: float) -> tuple[Array, Array, str]:
        """The frames and targets of a clip, and what it is."""
        speech = self._speech(speaker)
        others = [self._speech(each) for each in self._speakers if each != speaker] if noise == "babble" else []
        added = mixed(speech, NOISES[noise](Scene(speech, others, self._rate_hz, self._random)), snr_db)
        peak = np.abs(speech + added).max()
        scale = np.float32(0.99 / peak) if peak > 1 else np.float32(1)
        parts = [(each * scale).reshape(-1, self._hop) for each in (speech, added)]
        energy = np.square(parts[0], dtype=np.float64).sum(axis=1)
        voice = (energy > 10 ** (VOICED_DB / 10) * energy.max()).astype(np.float32)[:, None]
        return parts[0] + parts[1], np.hstack([*parts, voice]), f"{speaker} in {noise} at {snr_db:.1f} dB"

    def _speech(self, speaker: str) -> Array:
        """(length,) float32: recordings of a speaker with pauses."""
        random, recordings, pieces, total = self._random, self._speakers[speaker], list[Array](), 0
        while total < self._length:
            pause = np.zeros(min(round(random.uniform(*PAUSE_S) * self._rate_hz), self._length // 4), np.float32)
            pieces += [pause, recordings[random.integers(len(recordings))]]
            total += sum(map(len, pieces[-2:]))
        speech = np.concatenate(pieces)[: self._length]
        size = np.sqrt(np.mean(np.square(speech, dtype=np.float64)))
        if size == 0:
            raise FileError(f"the recordings of '{speaker}' are silent; remove them")
        loud: Array = (speech / size * 10 ** (random.uniform(*LEVEL_DB) / 20)).astype(np.float32)
        return loud


def _check(
    window: int,
    hop: int,
    noises: Sequence[str],
    test_noises: Sequence[str],
    snr_db: Sequence[float],
    test_snr_db: Sequence[float],
) -> None:
    """Refuse inconsistent options.

    Raises:
        UsageError: The message names the option.
    """
    if hop < 1 or window % hop or window < 2 * hop or window % 2:
        raise UsageError(
            f"window is {window} and hop {hop}; expected an even window of a whole number of hops, at least two"
        )
    for name, chosen in (("noises", noises), ("test_noises", test_noises)):
        if not chosen:
            raise UsageError(f"{name} is empty; expected some of {', '.join(NOISES)}")
        for noise in chosen:
            if noise not in NOISES:
                raise UsageError(f"{name} has '{noise}'; {misspelt(noise, NOISES)}")
    if len(snr_db) != 2 or not snr_db[0] <= snr_db[1] or not test_snr_db:
        raise UsageError(
            f"snr_db is {list(snr_db)} and test_snr_db {list(test_snr_db)}; expected [lowest, highest], and one ratio "
            "at least"
        )
