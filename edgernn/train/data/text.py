"""Text as symbols: lines with one class each, or one text with its next symbols as targets."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgernn.array import Array
from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.package.translation import UNKNOWN
from edgernn.train.data import table
from edgernn.train.data.folder import files
from edgernn.train.data.sequences import Data, Sequences, number_labels
from edgernn.train.data.split import draw_share, first_of_test

UNITS = ("character", "token")


def read(
    path: str | os.PathLike[str],
    *,
    kind: str = "class",
    unit: str = "character",
    least: int = 1,
    distinct: bool = False,
    chunk: int = 0,
    test_share: float = 0.2,
    seed: int = 0,
) -> Data:
    """Read lines with one class each, or one text: int32 (time, 1) symbols. The vocabulary is that of the training
    part.

    Args:
        path: for kind "class" a folder of .txt files, each named after the class of its lines, or a file of lines that
            end in a tab and the class; for kind "text" a file.
        kind: "class", or "text" for the next symbol.
        unit: the symbols: "character", or "token" between white space.
        least: the smallest count of a symbol in the training part; rarer symbols become symbol 0, the unknown.
        distinct: whether to remove duplicate lines of a class. Otherwise a duplicate line may be in both parts.
        chunk: the number of symbols of a sequence of kind "text"; 0 for one sequence per part.
        test_share: the test part: random lines, or the end of the text.
        seed: the seed of that draw.

    Raises:
        FileError: A file or folder is missing or empty, a file is not UTF-8, or a line has no class; with the line.
        UsageError: The options are inconsistent.
    """
    if unit not in UNITS:
        raise UsageError(f"there is no unit '{unit}'; {misspelt(unit, UNITS)}")
    if least < 1 or chunk < 0:
        raise UsageError(f"least is {least} and chunk {chunk}; expected at least 1 and at least 0")
    if kind == "text":
        return _text(path, unit, least, chunk, test_share)
    if kind != "class":
        raise UsageError(f"there is no kind '{kind}' of text data; {misspelt(kind, ('class', 'text'))}")
    return _classes(path, unit, least, distinct, test_share, seed)


def symbols(text: str, unit: str) -> list[str]:
    """The symbols of a text."""
    return list(text) if unit == "character" else text.split()


def encode(tokens: Sequence[str], vocabulary: Sequence[str]) -> Array:
    """Encode symbols as int32 (time, 1); 0 for symbols that are not in the vocabulary."""
    rows = {symbol: k for k, symbol in enumerate(vocabulary)}
    return np.array([rows.get(symbol, 0) for symbol in tokens], np.int32)[:, None]


def vocabulary(texts: Sequence[Sequence[str]], least: int = 1) -> tuple[str, ...]:
    """UNKNOWN as symbol 0, then the sorted symbols with a count of at least `least`."""
    counts = Counter(symbol for each in texts for symbol in each)
    return (UNKNOWN, *sorted(symbol for symbol, n in counts.items() if n >= least))


def _classes(path: str | os.PathLike[str], unit: str, least: int, distinct: bool, test_share: float, seed: int) -> Data:
    labelled = _labelled_lines(path)
    if distinct:
        labelled = list({(line, label): (line, label, source) for line, label, source in reversed(labelled)}.values())[
            ::-1
        ]
    lines, classes, sources = zip(*labelled, strict=True)
    labels, targets = number_labels(classes)
    mask = np.zeros(len(lines), bool)
    mask[draw_share(len(lines), test_share, seed)] = True
    texts = [symbols(line, unit) for line in lines]
    known = vocabulary([each for each, held in zip(texts, mask, strict=True) if not held], least)
    encoded = [encode(each, known) for each in texts]
    train, test = (
        Sequences(tuple(encoded[i] for i in rows), targets[rows], tuple(sources[i] for i in rows))
        for rows in (np.flatnonzero(~mask), np.flatnonzero(mask))
    )
    return Data(train, test, "class", 1, len(labels), labels, known)


def _labelled_lines(path: str | os.PathLike[str]) -> list[tuple[str, str, str]]:
    """(line, class, source) of each line of a folder or a file."""
    labelled = []
    for file in files(path, (".txt",)):
        for number, line in enumerate(table.text(file).split("\n"), 1):
            source = f"'{file}', line {number}"
            content, tab, label = (line, "\t", file.stem) if Path(path).is_dir() else line.rpartition("\t")
            if not line.strip():
                continue
            if not tab or not content.strip() or not label.strip():
                raise FileError(f"{source}: got no class; expected a text, a tab and its class")
            labelled.append((content.strip(), label.strip(), source))
    if not labelled:
        raise FileError(f"'{path}' has no lines; check the path")
    return labelled


def _text(path: str | os.PathLike[str], unit: str, least: int, chunk: int, test_share: float) -> Data:
    if Path(path).is_dir():
        raise FileError(f"'{path}' is a folder; expected a text file")
    tokens = symbols(table.text(path).replace("\r\n", "\n"), unit)
    first = first_of_test(len(tokens), test_share)
    known = vocabulary([tokens[:first]], least)
    encoded = encode(tokens, known)
    train, test = (_chunks(encoded[:first], chunk, f"'{path}'", 0), _chunks(encoded[first:], chunk, f"'{path}'", first))
    return Data(train, test, "text", 1, len(known), known, known)


def _chunks(encoded: Array, chunk: int, path: str, start: int) -> Sequences:
    """Adjacent sequences of symbols, with the next symbols as targets."""
    if len(encoded) < 2:
        raise UsageError(f"{path} has a part of {len(encoded)} symbols; expected at least two")
    steps = len(encoded) - 1
    cuts = [slice(at, min(at + (chunk or steps), steps)) for at in range(0, steps, chunk or steps)]
    following = encoded[1:, 0].astype(np.int64)
    return Sequences(
        tuple(encoded[:-1][cut] for cut in cuts),
        tuple(following[cut] for cut in cuts),
        tuple(f"{path}, symbol {start + cut.start}" for cut in cuts),
    )
