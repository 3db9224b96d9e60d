"""Recordings in WAV files with one class each: raw samples for a log-mel cell before the network."""

import io
import os
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from edgernn.array import Array
from edgernn.cells import LogMel
from edgernn.cells.running import RunningMean
from edgernn.errors import FileError, MissingExtraError, UsageError
from edgernn.files import atomic
from edgernn.files.spelling import misspelt
from edgernn.train.data.background import SILENCE, check_levels, draw_noise
from edgernn.train.data.features import in_hops, standardized
from edgernn.train.data.folder import LabelledFile, labelled_files
from edgernn.train.data.sequences import Data, Sequences, number_labels
from edgernn.train.data.split import Split

try:
    import soundfile  # type: ignore[import-untyped]
except ImportError as error:
    raise MissingExtraError("soundfile", "train", "reading .wav files") from error

TARGETS = ("label", "group")
"""The fields of a file name that may be classes."""


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
    targets: Mapping[str, str] | None = None,
    rate_hz: int = 0,
    silence: float = 0.0,
    silence_db: Sequence[float] = (-80, -30),
    test_indices: Sequence[int] = (),
    test_groups: Sequence[str] = (),
    test_share: float = 0.0,
    seed: int = 0,
) -> Data:
    """Read the .wav files below a folder: float32 (time, hop) samples from -1 to 1, with one class each, or several.

    The feature cells are log-mel, standardize, and optionally the running mean. Samples after the last whole hop of a
    file are dropped, as in a stream.

    Args:
        path: the folder.
        window: samples of a spectrum, such as 25 ms of them.
        hop: samples from one frame to the next, such as 10 ms of them; a step takes one hop.
        bands: mel bands of a frame.
        fft: points of the transform, at least `window`; 0 for the next power of two.
        low_hz: the lower end of the first band.
        high_hz: the upper end of the last band; 0 for half of the rate.
        floor: the power that is added before the logarithm.
        running_mean: (prior, limit) of a `RunningMean` in frames; empty for none.
        pattern: the pattern of file paths that names class, group and index; see `folder.labelled_files`.
        targets: several sets of classes: the name of each, and the field of the pattern that has its classes, such as
            { digit = "label", speaker = "group" }. By default the only set is that of {label}.
        rate_hz: samples per second; 0 for that of the first file. Nothing is resampled.
        silence: the number of clips of a further class "_silence_", as a share of the clips of each part. They are
            noise from `background.draw_noise`, so that a model can detect that nobody speaks.
        silence_db: (lowest, highest) level of these clips in decibels relative to full scale.
        test_indices: hold out the recordings with {index} from the first to before the second, such as [0, 5]. Exactly
            one test key is set.
        test_groups: hold out all recordings of these {group}, such as speakers.
        test_share: hold out this random share of the groups, or of the recordings if the pattern has no {group}.
        seed: the seed of that draw, and of the silent clips.

    Raises:
        FileError: A file is missing, truncated or empty, or has another rate or several channels.
        UsageError: The options are inconsistent, or a group does not exist.
        GraphError: The sizes of the log-mel cell are inconsistent.
    """
    split = Split(indices=test_indices, groups=test_groups, share=test_share, seed=seed)
    if silence < 0:
        raise UsageError(f"silence is {silence}; expected a share of at least 0, such as 0.1")
    check_levels(silence_db, "silence_db")
    if running_mean and len(running_mean) != 2:
        raise UsageError(f"running_mean is {list(running_mean)}; expected [prior, limit] in frames, such as [20, 300]")
    files = labelled_files(path, (".wav",), pattern)
    rate_hz = rate_hz or samples(files[0].path)[1]
    mel = LogMel(hop, rate_hz, window, bands, fft, low_hz, high_hz, floor)
    frames = [_clip(each.path, rate_hz, hop) for each in files]
    mask = split.mask([each.group for each in files], [each.index for each in files if each.index is not None])
    sets = _numbered(files, targets or {}, [SILENCE] * bool(silence))
    labels, numbers = sum((each for each, _ in sets.values()), ()), [each for _, each in sets.values()]
    classes = np.stack(numbers, axis=1) if targets else numbers[0]
    quiet = [each.index(SILENCE) if silence else 0 for each, _ in sets.values()]
    train, test = (
        _with_silence(
            Sequences(tuple(frames[i] for i in rows), classes[rows], tuple(files[i].source for i in rows)),
            round(silence * len(rows)),
            quiet if targets else quiet[0],
            silence_db,
            np.random.default_rng((seed, part)),
        )
        for part, rows in enumerate((np.flatnonzero(~mask), np.flatnonzero(mask)))
    )
    exact = standardized((("logmel", mel),), train.frames)
    if running_mean:
        exact = (*exact, ("mean", RunningMean(bands, *map(float, running_mean))))
    period_ms, heads = 1000 * hop / rate_hz, {name: len(each) for name, (each, _) in sets.items() if targets}
    return Data(train, test, "class", hop, len(labels), labels, period_ms=period_ms, exact=exact, heads=heads)


def _numbered(
    files: Sequence[LabelledFile], targets: Mapping[str, str], more: list[str]
) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Set of targets -> its classes, and the number of the class of each file.

    Args:
        files: the files.
        targets: set -> field of the file name; empty for one set "" of the labels.
        more: classes that no file has.
    """
    if len(targets) == 1:
        raise UsageError(f"targets is {dict(targets)}; expected at least two sets, or none for that of {{label}} alone")
    for name, field in targets.items():
        if field not in TARGETS:
            raise UsageError(f"targets has {name} = '{field}'; {misspelt(field, TARGETS)}")
    if "group" in targets.values() and all(each.group == each.source for each in files):
        raise UsageError("targets has the field 'group', and the pattern has none; add {group} to the pattern")
    fields = targets or {"": "label"}
    return {name: number_labels([getattr(each, field) for each in files] + more) for name, field in fields.items()}


def _with_silence(
    part: Sequences, n: int, silent: int | list[int], levels_db: Sequence[float], random: np.random.Generator
) -> Sequences:
    """Add n clips of noise to a part, of the class `silent`, each with the length of a random clip of it."""
    if not n:
        return part
    hop = part.frames[0].shape[1]
    lengths = random.choice([len(each) for each in part.frames], n)
    quiet = tuple(draw_noise(length * hop, levels_db, random).reshape(-1, hop) for length in lengths)
    targets = np.append(np.asarray(part.targets), np.full((n, *np.shape(silent)), silent), axis=0)
    return Sequences(part.frames + quiet, targets, part.sources + tuple(f"{SILENCE} {k}" for k in range(n)))


def samples(path: str | os.PathLike[str]) -> tuple[Array, int]:
    """The samples of a file, float32 from -1 to 1, and the sample rate.

    Raises:
        FileError: The file is missing, truncated or not a WAV file, or has several channels.
    """
    sound, rate_hz = channels(path)
    if sound.shape[1] != 1:
        raise FileError(f"'{path}' has {sound.shape[1]} channels; expected one: mix the channels, or select one")
    return sound[:, 0], rate_hz


def channels(path: str | os.PathLike[str]) -> tuple[Array, int]:
    """The samples of a file, float32 (samples, channels) from -1 to 1, and the sample rate.

    Raises:
        FileError: The file is missing, truncated or not a WAV file.
    """
    data = _whole(atomic.read(path), path)
    try:
        sound, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise FileError(f"'{path}' is not a WAV file: {error}; convert it") from error
    return sound, int(rate_hz)


def _clip(path: str | os.PathLike[str], rate_hz: int, hop: int) -> Array:
    sound, rate = samples(path)
    if rate != rate_hz:
        raise FileError(f"'{path}' has {rate} samples per second; expected {rate_hz}: resample the file")
    if len(sound) < hop:
        raise FileError(f"'{path}' has {len(sound)} samples; expected at least one hop of {hop}: remove the file")
    return in_hops(sound, hop)


def _whole(data: bytes, path: str | os.PathLike[str]) -> bytes:
    """The file with the true size of its audio data, which may have been unknown when the header was written.

    libsndfile reads a truncated file without an error; the sizes of its chunks show the truncation. If the file was
    written to a pipe, the sizes are placeholders, and the audio data continues to the end of the file, which must be
    the end of a sample.

    Raises:
        FileError: The file is truncated or not a WAV file.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise FileError(f"'{path}' is not a WAV file: it does not begin with RIFF and WAVE; convert it")
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
                raise FileError(
                    f"'{path}' is truncated: it has {there:,} of {size:,} bytes of audio data; copy it again"
                )
            return data
        at += 8 + size + size % 2
    raise FileError(f"'{path}' is truncated: it has no audio data; copy it again")


def _placeholder(size: int, *, whole: int, there: int) -> bool:
    """Whether the size of the audio data is a placeholder of a program that could not update the header.

    FFmpeg writes 0xFFFFFFFF, SoX 0x7FFFF000, and ALSA's arecord up to 2 GiB. A size of 0 is a placeholder if the size
    of the whole file is 0 too.

    Args:
        size: the size of the audio data in the header.
        whole: the size of the file in the header.
        there: the number of bytes from the beginning of the audio data to the end of the file.
    """
    return (size > there and (size == 2**32 - 1 or 2**31 - 4096 <= size <= 2**31)) or (size == whole == 0 < there)


FMT = 16  # bytes of the shortest format chunk
