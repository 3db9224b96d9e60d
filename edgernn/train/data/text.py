"""Text as symbols: lines with a class each, or one text asked for its next symbol."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt
from edgernn.postprocess.text import UNKNOWN
from edgernn.train.data import table
from edgernn.train.data.folder import files
from edgernn.train.data.sequences import Data, Sequences, numbered
from edgernn.train.data.split import drawn, first_of_test

Array = NDArray[Any]

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
    """Read lines with a class each, or one text: int32 (time, 1) symbols, whose vocabulary is the training part's.

    Args:
        path: for kind "class" a folder of .txt files, the file's name being the class of its lines, or a file of lines
            that end in a tab and the class; for kind "text" a file.
        kind: "class", or "text" for the next symbol.
        unit: what a symbol is: a "character", or a "token" between white space.
        least: how often the training part must have a symbol; rarer ones are symbol 0, the unknown.
        distinct: take equal lines of a class once. Otherwise a line that is there twice may be in both parts.
        chunk: symbols of a sequence of kind "text", side by side; 0 for one sequence per part.
        test_share: the part held out: lines drawn at random, or the end of the text.
        seed: of that draw.

    Raises:
        FileError: a file or folder that is missing or empty, no UTF-8, a line without a class; with the line.
        UsageError: options that do not fit.
    """
    if unit not in UNITS:
        raise UsageError(f"there is no unit '{unit}'; {misspelt(unit, UNITS)}")
    if least < 1 or chunk < 0:
        raise UsageError(f"least {least} and chunk {chunk} arrived; expected at least 1 and at least 0")
    if kind == "text":
        return _text(path, unit, least, chunk, test_share)
    if kind != "class":
        raise UsageError(f"there is no kind '{kind}' of text; {misspelt(kind, ('class', 'text'))}")
    return _classes(path, unit, least, distinct, test_share, seed)


def symbols(text: str, unit: str) -> list[str]:
    """The symbols of a text."""
    return list(text) if unit == "character" else text.split()


def encode(said: Sequence[str], vocabulary: Sequence[str]) -> Array:
    """Symbols as int32 (time, 1); 0 where the vocabulary does not have one."""
    rows = {symbol: k for k, symbol in enumerate(vocabulary)}
    return np.array([rows.get(symbol, 0) for symbol in said], np.int32)[:, None]


def vocabulary(said: Sequence[Sequence[str]], least: int = 1) -> tuple[str, ...]:
    """UNKNOWN as symbol 0, then in their order the symbols that are there at least so often."""
    counts = Counter(symbol for each in said for symbol in each)
    return (UNKNOWN, *sorted(symbol for symbol, n in counts.items() if n >= least))


def _classes(path: str | os.PathLike[str], unit: str, least: int, distinct: bool, test_share: float, seed: int) -> Data:
    found = _labelled(path)
    if distinct:
        found = list({(line, label): (line, label, source) for line, label, source in reversed(found)}.values())[::-1]
    lines, classes, sources = zip(*found, strict=True)
    labels, targets = numbered(classes)
    mask = np.zeros(len(lines), bool)
    mask[drawn(len(lines), test_share, seed)] = True
    said = [symbols(line, unit) for line in lines]
    known = vocabulary([each for each, held in zip(said, mask, strict=True) if not held], least)
    encoded = [encode(each, known) for each in said]
    train, test = (
        Sequences(tuple(encoded[i] for i in rows), targets[rows], tuple(sources[i] for i in rows))
        for rows in (np.flatnonzero(~mask), np.flatnonzero(mask))
    )
    return Data(train, test, "class", 1, len(labels), labels, known)


def _labelled(path: str | os.PathLike[str]) -> list[tuple[str, str, str]]:
    """(line, class, where it stands) of a folder or a file."""
    found = []
    for file in files(path, (".txt",)):
        for number, line in enumerate(table.text(file).split("\n"), 1):
            source = f"'{file}', line {number}"
            said, tab, label = (line, "\t", file.stem) if Path(path).is_dir() else line.rpartition("\t")
            if not line.strip():
                continue
            if not tab or not said.strip() or not label.strip():
                raise FileError(f"{source}: expected a text, a tab and its class")
            found.append((said.strip(), label.strip(), source))
    if not found:
        raise FileError(f"'{path}' has no lines; check the path")
    return found


def _text(path: str | os.PathLike[str], unit: str, least: int, chunk: int, test_share: float) -> Data:
    if Path(path).is_dir():
        raise FileError(f"'{path}' is a folder; expected the file of a text")
    said = symbols(table.text(path).replace("\r\n", "\n"), unit)
    first = first_of_test(len(said), test_share)
    known = vocabulary([said[:first]], least)
    encoded = encode(said, known)
    train, test = (_chunks(encoded[:first], chunk, f"'{path}'", 0), _chunks(encoded[first:], chunk, f"'{path}'", first))
    return Data(train, test, "text", 1, len(known), known, known)


def _chunks(encoded: Array, chunk: int, path: str, start: int) -> Sequences:
    """Symbols with the next ones, in sequences side by side."""
    if len(encoded) < 2:
        raise UsageError(f"{path} has a part of {len(encoded)} symbols; expected at least two")
    asked = len(encoded) - 1
    cuts = [slice(at, min(at + (chunk or asked), asked)) for at in range(0, asked, chunk or asked)]
    following = encoded[1:, 0].astype(np.int64)
    return Sequences(
        tuple(encoded[:-1][cut] for cut in cuts),
        tuple(following[cut] for cut in cuts),
        tuple(f"{path}, symbol {start + cut.start}" for cut in cuts),
    )
