"""Pairs of texts, as symbols: a text and what it becomes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.package.translation import END, START
from edgernn.train.data import table
from edgernn.train.data.fingerprint import Fingerprint, versions
from edgernn.train.data.split import draw_share
from edgernn.train.data.text import UNITS, encode, symbols, vocabulary
from edgernn.train.translation.generated import GENERATED

Pair = tuple[str, str]

PARTS = ("train", "val", "test")
"""The files of a folder begin with these."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of texts in three parts; no text is in two of them.

    Attributes:
        train, validation, test: (source, target) texts.
        source, target: the symbols; 0 stands for an unknown one, and END and, in a target, START are among them.
        unit: "character", or "token" between white space.
        memory: the longest source that is accepted, in symbols with its END.
        notes: warnings about the data, one sentence each.
    """

    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    test: tuple[Pair, ...]
    source: tuple[str, ...]
    target: tuple[str, ...]
    unit: str
    memory: int
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> Fingerprint:
        """The checksum of what each source becomes, and the sources of each part."""
        parts = {"training": self.train, "validation": self.validation, "test": self.test}
        targets: dict[str, list[str]] = {}
        for source, target in (pair for part in parts.values() for pair in part):
            targets.setdefault(source, []).append(target)
        items = {source: sha256("\n".join(each).encode()).hexdigest() for source, each in targets.items()}
        named = {name: tuple(source for source, _ in part) for name, part in parts.items()}
        return Fingerprint("sequence", items, named, versions())

    def encoded(self, part: Sequence[Pair]) -> tuple[list[Array], list[Array]]:
        """The symbols of the sources with END, and those of the targets between START and END; int32 (time,) each."""
        end, around = self.source.index(END), (self.target.index(START), self.target.index(END))
        sources = [np.append(encode(symbols(a, self.unit), self.source)[:, 0], np.int32(end)) for a, _ in part]
        targets = [encode(symbols(b, self.unit), self.target)[:, 0] for _, b in part]
        return sources, [np.concatenate([[around[0]], each, [around[1]]]).astype(np.int32) for each in targets]


def read(
    path: str | os.PathLike[str],
    *,
    unit: str = "character",
    source: str = "",
    target: str = "",
    least: int = 1,
    memory: int = 48,
    generate: str = "",
    count: int = 10_000,
    test_share: float = 0.1,
    seed: int = 0,
) -> Pairs:
    """Read pairs of texts: lines with a tab between a text and what it becomes, or a folder of two files a part.

    Args:
        path: a file of lines; or a folder with the parts train, val and test, such as `train.en` and `train.de`, whose
            lines correspond.
        unit: the symbols: "character", or "token" between white space.
        source: the suffix of the texts in a folder, such as "en".
        target: the suffix of what they become, such as "de".
        least: the smallest count of a symbol in the training part; rarer symbols become symbol 0, the unknown.
        memory: positions of the encoder that the decoder can attend to. Pairs with a longer source are left out of the
            training, and later a longer text is refused.
        generate: draw the pairs instead of reading them: one of generated.GENERATED. The path is not used.
        count: the number of pairs to draw.
        test_share: the share of random lines in the test part, and as many in the validation part; a folder has both.
        seed: the seed of these draws.

    Raises:
        FileError: A file is missing, is not UTF-8, or has no pairs; or the files of a part have unequal lines.
        UsageError: The options are inconsistent.
    """
    if unit not in UNITS:
        raise UsageError(f"there is no unit '{unit}'; {misspelt(unit, UNITS)}")
    if least < 1 or memory < 2 or count < 10:
        raise UsageError(f"least is {least}, memory {memory} and count {count}; expected at least 1, 2 and 10")
    if generate:
        parts: Sequence[Sequence[Pair]] = _split(_generated(generate, count, seed), test_share, seed)
    elif Path(path).is_dir():
        parts = [_folder(Path(path), part, source, target) for part in PARTS]
    else:
        parts = _split(_lines(path), test_share, seed)
    return _pairs(parts, unit, least, memory, os.fspath(path))


def _pairs(parts: Sequence[Sequence[Pair]], unit: str, least: int, memory: int, path: str) -> Pairs:
    train = tuple(pair for pair in parts[0] if len(symbols(pair[0], unit)) < memory)
    if not train:
        raise UsageError(f"no source in '{path}' is shorter than the memory of {memory} positions; set a larger memory")
    left_out = len(parts[0]) - len(train)
    note = f"{left_out:,} of {len(parts[0]):,} pairs are longer than the memory of {memory}, and not trained on."
    source, target = (vocabulary([symbols(pair[side], unit) for pair in train], least) for side in (0, 1))
    return Pairs(
        train,
        tuple(parts[1]),
        tuple(parts[2]),
        (*source, END),
        (*target, END, START),
        unit,
        memory,
        (note,) if left_out else (),
    )


def _generated(name: str, count: int, seed: int) -> list[Pair]:
    if name not in GENERATED:
        raise UsageError(f"there is nothing called '{name}' to generate; {misspelt(name, GENERATED)}")
    return GENERATED[name](count, np.random.default_rng(seed))


def _split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Random parts of the distinct pairs."""
    distinct = list(dict.fromkeys(pairs))
    held = draw_share(len(distinct), 2 * share, seed)
    mask = np.zeros(len(distinct), int)
    mask[held[0::2]], mask[held[1::2]] = 1, 2
    train, validation, test = ([pair for pair, part in zip(distinct, mask, strict=True) if part == k] for k in range(3))
    if not train or not validation or not test:
        raise UsageError(f"{len(distinct)} distinct pairs leave a part empty; give more, or another test_share")
    return train, validation, test


def _lines(path: str | os.PathLike[str]) -> list[Pair]:
    pairs = []
    for number, line in enumerate(table.text(path).splitlines(), 1):
        if line.strip():
            a, tab, b = line.partition("\t")
            if not tab or not a.strip() or not b.strip():
                raise FileError(f"'{path}', line {number}: expected a text, a tab, and what it becomes")
            pairs.append((a.strip(), b.strip()))
    if not pairs:
        raise FileError(f"'{path}' has no lines; expected a text, a tab, and what it becomes in each")
    return pairs


def _folder(path: Path, part: str, source: str, target: str) -> list[Pair]:
    if not source or not target:
        raise UsageError("a folder of texts needs the suffixes of its files; set source and target, such as en and de")
    sides = []
    for suffix in (source, target):
        matches = sorted(path.glob(f"{part}*.{suffix}"))
        if len(matches) != 1:
            raise FileError(f"'{path}' has {len(matches)} files {part}*.{suffix}; expected one")
        sides.append(table.text(matches[0]).splitlines())
    if len(sides[0]) != len(sides[1]):
        raise FileError(
            f"the part {part} of '{path}' has {len(sides[0]):,} lines in {source} and {len(sides[1]):,} in {target}; "
            "expected lines that correspond"
        )
    return [(a.strip(), b.strip()) for a, b in zip(*sides, strict=True) if a.strip() and b.strip()]
