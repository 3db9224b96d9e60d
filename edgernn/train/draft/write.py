"""Write a first recipe: the section [data] from a look at the data, the others from its size."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.train.commented import commented
from edgernn.train.data.reader import read_data
from edgernn.train.data.sampling import duration
from edgernn.train.data.sequences import Data
from edgernn.train.draft.look import look
from edgernn.train.keys import SECTIONS

UPDATES = 1500
"""Updates of the weights of a first training."""

TITLES: Mapping[str, str] = {
    "class": "Classes of {name}",
    "series": "Forecast of {name}",
    "text": "The next symbol of {name}",
}
"""A kind of data -> the title of its recipe."""


@dataclass(frozen=True)
class Draft:
    """A first recipe.

    Attributes:
        toml: its text, with a comment above every key.
        remarks: what was recognized in the data, in sentences.
    """

    toml: str
    remarks: tuple[str, ...]


def draft(path: str | os.PathLike[str]) -> Draft:
    """Look at data, read it, and choose a recipe for it.

    Raises:
        FileError, UsageError: No reader takes the data, or its content is invalid.
    """
    seen = look(path)
    options = dict(seen.options)
    data = read_data(options.pop("reader"), path, options)
    values = {"title": TITLES[data.kind].format(name=Path(path).name), "data": seen.options, **_sections(data)}
    remarks = (*seen.remarks, _sizes(data))
    whence = f"A first recipe for {Path(path).name}. `edgernn recipes KEY` explains every key, also those left out."
    return Draft(commented(values, (whence, *remarks, *data.notes)), remarks)


def write(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> Draft:
    """Write a first recipe for the data at `path` to a new .toml file.

    Raises:
        FileError: No reader takes the data, or its content is invalid; or the file cannot be written.
        UsageError: The file exists, or is no .toml file.
    """
    if Path(out).suffix != ".toml":
        raise UsageError(f"'{out}' is no .toml file; a recipe is one")
    if Path(out).exists():
        raise UsageError(f"'{out}' exists; choose another name, or remove it")
    result = draft(path)
    atomic.write(out, result.toml.encode())
    return result


def _sizes(data: Data) -> str:
    outputs = f", {data.outputs} outputs" if data.kind == "class" else ""
    period = "" if data.period_ms is None else f", {duration(data.period_ms / 1000)} apart"
    return (
        f"{len(data.train):,} sequences with {data.train.steps:,} frames to train on, {len(data.test):,} with "
        f"{data.test.steps:,} to test; frames of {data.inputs:,}{period}{outputs}."
    )


def _sections(data: Data) -> dict[str, dict[str, Any]]:
    """The sections [model] and [training]."""
    sections = {"class": _classes, "series": _series, "text": _text}[data.kind](data)
    return {name: sections[name] for name in SECTIONS if name in sections}


def _classes(data: Data) -> dict[str, dict[str, Any]]:
    count, batch = len(data.train), 64 if len(data.train) >= 1000 else 16
    model: dict[str, Any] = {"cell": "gru", "hidden": 64 if data.outputs > 20 else 32}
    training: dict[str, Any] = {"epochs": _epochs(count, batch), "batch": batch, "rate": 4e-3, "late": 0.5}
    if data.symbols:
        model |= {"embedding": 32, "dropout": 0.2}
    else:
        training["noise"] = 0.1
    if count >= 20 * data.outputs:
        training["validation"] = 0.1
    return {"model": model, "training": training}


def _series(data: Data) -> dict[str, dict[str, Any]]:
    batch = max(1, min(16, len(data.train) // 4))
    training = {"epochs": _epochs(len(data.train), batch), "batch": batch, "rate": 4e-3, "late": 0.0, "decay": 1e-4}
    return {"model": {"cell": "gru", "hidden": 32}, "training": training}


def _text(data: Data) -> dict[str, dict[str, Any]]:
    batch, tbptt = max(1, min(16, len(data.train) // 4)), 128
    chunks = ceil(max(map(len, data.train.frames)) / tbptt)
    training = {
        "epochs": _epochs(len(data.train) * chunks, batch),
        "batch": batch,
        "tbptt": tbptt,
        "rate": 4e-3,
        "late": 0.0,
        "decay": 0.0,
    }
    return {"model": {"cell": "gru", "hidden": 128, "embedding": 48}, "training": training}


def _epochs(count: int, batch: int) -> int:
    return min(100, max(3, round(UPDATES / ceil(count / batch))))
