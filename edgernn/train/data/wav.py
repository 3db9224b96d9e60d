"""Recordings of sound in WAV files, a class each: raw samples for a log-mel cell before the network."""

import io
import os
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.cells import LogMel
from edgernn.cells.running import RunningMean
from edgernn.errors import FileError, MissingExtraError, UsageError
from edgernn.files import atomic
from edgernn.train.data.background import SILENCE, check_levels, drawn
from edgernn.train.data.features import in_hops, standardized
from edgernn.train.data.folder import named
from edgernn.train.data.sequences import Data, Sequences, numbered
from edgernn.train.data.split import Split

try:
    import soundfile  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("soundfile", "train", "reading .wav files") from error

Array = NDArray[Any]


def read(
    path: str | os.PathLike[str],
    *,
    window: int,
    hop: int,
    bands: int,
    fft: int = 0,
    low_hz: float = 0.0,
    high_hz: float = 0.0,
    floor: float = 1e-6,
    running_mean: Sequence[float] = (),
    pattern: str = "{label}/{name}",
    rate_hz: int = 0,
    silence: float = 0.0,
    silence_db: Sequence[float] = (-80, -30),
    test_indices: Sequence[int] = (),
    test_groups: Sequence[str] = (),
    test_share: float = 0.0,
    seed: int = 0,
) -> Data:
    """Read the .wav files below a folder: float32 (time, hop) samples from -1 to 1, a class each.

    Before the network come exact cells: log-mel, standardize, and the running mean when it is asked for. A rest shorter
    than a hop at the end of a file is left out, as a stream would.

    Args:
        path: the folder.
        window, hop, bands, fft, low_hz, high_hz, floor: of the log-mel cell; see `cells.LogMel`.
        running_mean: (prior, limit) in frames of a `RunningMean`; nothing for none.
        pattern: how the path of a file names class, group and index; see `folder.named`.
        rate_hz: samples per second; 0 for that of the first file. Nothing is resampled.
        silence: so many clips more in each part, as a share of its own, of a class "_silence_": noise of the colours
            and levels of `background.drawn`, so that a model can say that nobody speaks.
        silence_db: (lowest, highest) level of these, in decibels below the full scale.
        test_indices, test_groups, test_share, seed: the test part; see `Split`.

    Raises:
        FileError: a file that is missing, truncated, empty, of another rate or with several channels, naming it.
        UsageError: options that do not fit, or a group that is not there.
        GraphError: sizes of the log-mel cell that do not fit together.
    """
    split = Split(indices=test_indices, groups=test_groups, share=test_share, seed=seed)
    if silence < 0:
        raise UsageError(f"silence is {silence}; expected a share of at least 0, such as 0.1")
    check_levels(silence_db, "silence_db")
    if running_mean and len(running_mean) != 2:
        raise UsageError(f"running_mean is {list(running_mean)}; expected [prior, limit] in frames, such as [20, 300]")
    files = named(path, (".wav",), pattern)
    rate_hz = rate_hz or samples(files[0].path)[1]
    mel = LogMel(hop, rate_hz, window, bands, fft, low_hz, high_hz, floor)
    frames = [_clip(each.path, rate_hz, hop) for each in files]
    mask = split.mask([each.group for each in files], [each.index for each in files if each.index is not None])
    labels, classes = numbered([each.label for each in files] + [SILENCE] * bool(silence))
    train, test = (
        _with_silence(
            Sequences(tuple(frames[i] for i in rows), classes[rows], tuple(files[i].source for i in rows)),
            round(silence * len(rows)),
            labels,
            silence_db,
            np.random.default_rng((seed, part)),
        )
        for part, rows in enumerate((np.flatnonzero(~mask), np.flatnonzero(mask)))
    )
    exact = standardized((("logmel", mel),), train.frames)
    if running_mean:
        exact = (*exact, ("mean", RunningMean(bands, *map(float, running_mean))))
    return Data(train, test, "class", hop, len(labels), labels, period_ms=1000 * hop / rate_hz, exact=exact)


def _with_silence(
    said: Sequences, n: int, labels: Sequence[str], levels_db: Sequence[float], random: np.random.Generator
) -> Sequences:
    """A part with so many clips of noise, each as long as one that is drawn from it."""
    if not n:
        return said
    hop = said.frames[0].shape[1]
    lengths = random.choice([len(each) for each in said.frames], n)
    quiet = tuple(drawn(length * hop, levels_db, random).reshape(-1, hop) for length in lengths)
    targets = np.append(said.targets, np.full(n, labels.index(SILENCE)))
    return Sequences(said.frames + quiet, targets, said.sources + tuple(f"{SILENCE} {k}" for k in range(n)))


def samples(path: str | os.PathLike[str]) -> tuple[Array, int]:
    """The samples of a file, float32 from -1 to 1, and how many there are in a second.

    Raises:
        FileError: it is missing, truncated, no WAV file, or has several channels.
    """
    data = _whole(atomic.read(path), path)
    try:
        found, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise FileError(f"'{path}' is no WAV file: {error}; convert it") from error
    if found.shape[1] != 1:
        raise FileError(f"'{path}' has {found.shape[1]} channels; expected one: mix or choose before")
    return found[:, 0], int(rate_hz)


def _clip(path: str | os.PathLike[str], rate_hz: int, hop: int) -> Array:
    found, rate = samples(path)
    if rate != rate_hz:
        raise FileError(f"'{path}' has {rate} samples per second; expected {rate_hz}: resample it before")
    if len(found) < hop:
        raise FileError(f"'{path}' has {len(found)} samples; expected at least one hop of {hop}: take it out")
    return in_hops(found, hop)


def _whole(data: bytes, path: str | os.PathLike[str]) -> bytes:
    """The file with the true size of its sound, where that was unknown when the header was written.

    libsndfile reads what is left of a truncated file without a word; the sizes in its chunks tell. Of sound that was
    written to a pipe they tell nothing, and it goes on to the end of the file, where a whole sample must end too.

    Raises:
        FileError: it is truncated, or no WAV file.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise FileError(f"'{path}' is no WAV file: it does not begin with RIFF and WAVE; convert it")
    at, block = 12, 1
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        begin, there = at + 8, len(data) - at - 8
        if name == b"fmt " and there >= FMT:
            block = max(1, struct.unpack_from("<H", data, begin + 12)[0])  # bytes of a sample of every channel
        if name == b"data":
            if _placeholder(size, whole=struct.unpack_from("<I", data, 4)[0], there=there):
                if there % block:
                    raise FileError(
                        f"'{path}' is truncated: it was written to a pipe, without its size, and ends within a sample "
                        f"of {block} bytes; copy it again"
                    )
                return data[: at + 4] + struct.pack("<I", there) + data[begin:]
            if there < size:
                raise FileError(f"'{path}' is truncated: {there:,} of {size:,} bytes of sound are there; copy it again")
            return data
        at += 8 + size + size % 2
    raise FileError(f"'{path}' is truncated: it has no sound; copy it again")


def _placeholder(size: int, *, whole: int, there: int) -> bool:
    """Whether the size of the sound is what a program leaves that cannot go back to the header.

    0xFFFFFFFF by FFmpeg; 0x7FFFF000 by SoX; up to 2 GiB, by ALSA's arecord; nothing at all where the size of the whole
    file is 0 too, which no finished file has.

    Args:
        size: of the sound, as the header has it.
        whole: of the file, as the header has it.
        there: bytes from the beginning of the sound to the end of the file.
    """
    return (size > there and (size == 2**32 - 1 or 2**31 - 4096 <= size <= 2**31)) or (size == whole == 0 < there)


FMT = 16  # bytes of the shortest description of samples
