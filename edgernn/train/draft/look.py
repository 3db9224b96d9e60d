"""Look at a file or folder: which reader takes it, with which options."""

import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgernn.errors import FileError
from edgernn.train.data import table, wav
from edgernn.train.data.folder import LabelledFile, files, labelled_files
from edgernn.train.draft import columns

WINDOW_S, HOP_S = 0.025, 0.010
"""Length and distance of the spectra of speech."""

BANDS = 20
TEST_SHARE = 0.2
ROWS = 64  # of a window of recordings that are longer than LONG windows
LONG = 4
WORDS = 4  # of a line on average, from which on it is read word by word

PATTERNS = (
    "{label}/{group}_nohash_{index}",
    "{label}/{group}_{index}",
    "{label}/{name}",
    "{label}_{group}_{index}",
    "{label}_{index}",
    "{label}-{index}",
    "{label}_{name}",
)
"""Patterns of file names; the first that fits all files is taken."""


@dataclass(frozen=True)
class Look:
    """What data looks like.

    Attributes:
        options: the section [data] of a recipe.
        remarks: what was recognized, in sentences.
    """

    options: Mapping[str, Any]
    remarks: tuple[str, ...]


def look(path: str | os.PathLike[str]) -> Look:
    """Choose the reader of a file or folder and its options.

    Raises:
        FileError: The path does not exist, no reader takes such files, or their names have no class.
    """
    suffix = _suffix(Path(path))
    return LOOKS[suffix](Path(path))


def _suffix(path: Path) -> str:
    """The suffix of a file, or the most frequent one of a folder that a reader takes."""
    if path.is_file():
        if path.suffix.lower() in LOOKS:
            return path.suffix.lower()
        raise FileError(f"no reader takes '{path}'; expected a file or folder of {', '.join(LOOKS)}")
    counts = Counter(each.suffix.lower() for each in files(path, LOOKS))
    return counts.most_common(1)[0][0]


def _wav(path: Path) -> Look:
    if path.is_file():
        raise FileError(f"'{path}' is one recording; give the folder of all recordings, with a folder for each class")
    pattern, every = _pattern(path, (".wav",))
    rate = wav.samples(every[0].path)[1]
    window, hop = round(WINDOW_S * rate), round(HOP_S * rate)
    options = {"reader": "wav", "pattern": pattern, "window": window, "hop": hop, "bands": BANDS}
    spectra = (
        f"Sound at {rate:,} Hz: a log-mel spectrum of {BANDS} bands over {1000 * WINDOW_S:g} ms, every "
        f"{1000 * HOP_S:g} ms."
    )
    return Look(options | {"test_share": TEST_SHARE}, (_names(pattern, every), spectra, _split(pattern)))


def _table(path: Path) -> Look:
    first = files(path, table.SUFFIXES)[0]
    seen = columns.look(first)
    if seen.label:
        return Look(seen.windows(TEST_SHARE, ROWS), seen.remarks)
    if path.is_file():
        return Look(*columns.series(seen))
    pattern, every = _pattern(path, table.SUFFIXES)
    rows = statistics.median(len(columns.look(each.path).rows) for each in every[: 2 * LONG])
    cut = {"rows": ROWS, "stride": ROWS // 2} if rows > LONG * ROWS else {}
    options = {"reader": "csv", "pattern": pattern, **seen.format_options, **cut, "test_share": TEST_SHARE}
    size = f"Recordings of about {rows:,g} rows" + (f", cut into windows of {ROWS} rows." if cut else ", each whole.")
    return Look(options, (_names(pattern, every), size, _split(pattern)))


def _text(path: Path) -> Look:
    if path.is_dir():
        return Look({"reader": "text"}, ("Each file has the lines of one class; its name is the class.",))
    lines = [line for line in table.text(path).splitlines() if line.strip()]
    if sum("\t" in line for line in lines) < len(lines):
        chunk = min(2048, max(64, sum(map(len, lines)) // 200))
        options = {"reader": "text", "kind": "text", "chunk": chunk, "test_share": 0.1}
        return Look(
            options, ("One text: the model learns its next character. A line with a class ends in a tab and it.",)
        )
    words = statistics.mean(len(line.rpartition("\t")[0].split()) for line in lines) >= WORDS
    unit = {"unit": "token", "least": 2} if words else {}
    return Look({"reader": "text", **unit}, ("Each line ends in a tab and its class.",))


def _arrays(_path: Path) -> Look:
    return Look({"reader": "npz"}, ("Arrays x_train, y_train, x_test and y_test.",))


def _ts(path: Path) -> Look:
    if path.is_file():
        raise FileError(f"'{path}' is one part; give its folder, with NAME_TRAIN.ts and NAME_TEST.ts")
    return Look({"reader": "ts"}, ("Sequences of sktime, in their published parts.",))


LOOKS: Mapping[str, Callable[[Path], Look]] = MappingProxyType(
    {".wav": _wav, ".csv": _table, ".parquet": _table, ".txt": _text, ".npz": _arrays, ".ts": _ts}
)
"""A suffix -> the look at data of such files."""


def _pattern(path: Path, suffixes: tuple[str, ...]) -> tuple[str, list[LabelledFile]]:
    """The first pattern that fits the names of all files, with several files in each of several classes."""
    for pattern in PATTERNS:
        try:
            every = labelled_files(path, suffixes, pattern)
        except FileError:
            continue
        labels, groups = (Counter(getattr(each, name) for each in every) for name in ("label", "group"))
        grouped = "{group}" not in pattern or (len(groups) > 1 and groups.keys() != labels.keys())
        if len(labels) > 1 and min(labels.values()) > 1 and grouped:
            return pattern, every
    parent = os.path.commonpath([each.parent for each in files(path, suffixes)])
    if Path(parent) != path:
        raise FileError(f"all {' and '.join(suffixes)} files of '{path}' are in '{parent}'; give that folder")
    raise FileError(
        f"the names of the files in '{path}' show no classes; put the files of each class into a folder with its name"
    )


def _names(pattern: str, every: list[LabelledFile]) -> str:
    labels = sorted({each.label for each in every})
    some = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    return f"{len(every):,} files named {pattern}, of {len(labels)} classes: {some}."


def _split(pattern: str) -> str:
    if "{group}" in pattern:
        return f"The test part is {TEST_SHARE:.0%} of the groups, so it has nobody who was trained on."
    return (
        f"The test part is {TEST_SHARE:.0%} of the recordings, at random; a {{group}} in the pattern holds out whole "
        "groups."
    )
