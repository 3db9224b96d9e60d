"""The fingerprint of a training's data: the checksum of every file, and which sequence is in which part.

It is kept beside a checkpoint. Nothing that was begun on some data goes on with other data: a recording that is added
changes the draw of the split, and recordings that were learnt from would judge.

The split is kept as it is, sequence by sequence, although files and recipe determine it: whoever goes on may have
another edgernn or numpy, that would draw or cut it in another way. Frames are compared by the bytes of their files, and
not by their values as read: the logarithms and sines among them differ in the last bit from one processor to another.
"""

import json
import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from edgernn.errors import FileError, UsageError
from edgernn.files import atomic, bounded_json
from edgernn.train.data.sequences import Data, Sequences
from edgernn.version import VERSION

FILE = "data.json"
LONGEST = 1 << 30  # characters: a line for each file and sequence
NAMED = 3  # files or sequences that a message names; the others are counted


@dataclass(frozen=True)
class Fingerprint:
    """What tells the data of one training from another's.

    Attributes:
        unit: "file", or "sequence" for data that was made in memory.
        items: the path of each file below the data's folder -> the SHA-256 of its bytes; or the source of each sequence
            -> that of its frames and targets.
        parts: "training", "validation" or "test" -> its sequences in their order, each with its number of steps.
        versions: of what drew the split, for messages: two fingerprints are of the same data without regard to them.
    """

    unit: str
    items: Mapping[str, str]
    parts: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, str]

    @property
    def checksum(self) -> str:
        """The same for the same data, wherever it is."""
        items = sorted(self.items.values()) if len(self.items) == 1 else sorted(self.items.items())
        parts = {name: list(part) for name, part in self.parts.items()}
        return sha256(json.dumps([items, parts], sort_keys=True).encode()).hexdigest()

    @property
    def document(self) -> dict[str, Any]:
        """All of it, in words of JSON."""
        parts = {name: list(part) for name, part in self.parts.items()}
        return {"versions": dict(self.versions), "unit": self.unit, "items": dict(self.items), "parts": parts}

    @classmethod
    def of(cls, document: Any, name: str) -> Self:
        """From its document.

        Args:
            document: as JSON gives it.
            name: of where it was kept, for messages.

        Raises:
            FileError: it is not such a document.
        """
        try:
            parts = {str(part): tuple(map(str, names)) for part, names in document["parts"].items()}
            return cls(document["unit"], dict(document["items"]), parts, dict(document["versions"]))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise FileError(f"{name} is no fingerprint of data: {error!r}; train anew, in another folder") from error


def fingerprint(data: Data, validation: Sequences | None = None) -> Fingerprint:
    """The fingerprint of data as it is trained on.

    Args:
        data: without the validation part.
        validation: that part; None without one.
    """
    sequences = {"training": data.train, "validation": validation, "test": data.test}
    parts = {name: part for name, part in sequences.items() if part is not None}
    origin = data.origin
    within = str if origin is None else origin.within
    named = {
        name: tuple(f"{within(source)}, {len(x)} steps" for source, x in zip(part.sources, part.frames, strict=True))
        for name, part in parts.items()
    }
    if origin is not None:
        return Fingerprint("file", origin.files, named, versions())
    return Fingerprint("sequence", _checksums(parts.values()), named, versions())


def versions() -> dict[str, str]:
    """Of what draws and cuts a split."""
    return {"edgernn": VERSION, "numpy": np.__version__}


def difference(then: Fingerprint, now: Fingerprint) -> str:
    """What was added, removed, changed or moved to another part, with names; "" for the same data.

    A single file may have another name: only folders say something by the names of their files.
    """
    if then.checksum == now.checksum:
        return ""
    if then.unit != now.unit:
        return f"it was {then.unit}s, and is {now.unit}s"
    told = _changes(then, now)
    if told:
        sizes = [sum(map(len, each.parts.values())) for each in (then, now)]
        return told + (f" ({sizes[0]:,} sequences then, {sizes[1]:,} now)" if sizes[0] != sizes[1] else "")
    was, are = (" and ".join(f"{name} {version}" for name, version in each.versions.items()) for each in (then, now))
    return f"each {then.unit} is the same, but the split is not: {_moves(then, now)}; it was made by {was}, now {are}"


def same(then: Fingerprint, now: Fingerprint, what: str, instead: str) -> None:
    """Refuse to go on with other data.

    Args:
        then, now: of the data that something began with, and of the data that it is given now.
        what: began with it, such as "this training".
        instead: what to do, beside giving the same data.

    Raises:
        UsageError: they differ; with the difference.
    """
    told = difference(then, now)
    if told:
        raise UsageError(f"{what} began with other data: {told}; give the same data, or {instead}")


def check(path: str | os.PathLike[str], now: Fingerprint, what: str, instead: str) -> None:
    """The same with a fingerprint that is kept in a file.

    Raises:
        UsageError: they differ; with the difference.
        FileError: the file cannot be read, or is no fingerprint.
    """
    if not Path(path).exists():
        raise FileError(f"there is no '{path}', so nobody knows which data {what} began with; {instead}")
    try:
        document = bounded_json.loads(atomic.read(path), longest=LONGEST)
    except ValueError as error:
        raise FileError(f"'{path}' is no JSON: {error}; {instead}") from error
    same(Fingerprint.of(document, f"'{path}'"), now, what, instead)


def dumps(of: Fingerprint) -> bytes:
    """What `check` reads, a line for each file and sequence."""
    return (json.dumps(of.document, indent=1) + "\n").encode()


def _checksums(parts: Collection[Sequences]) -> dict[str, str]:
    """Of the sequences of all parts, by their sources; of those that share one, together."""
    made: dict[str, Any] = {}
    for part in parts:
        for source, frames, target in zip(part.sources, part.frames, part.targets, strict=True):
            said = made.setdefault(source, sha256())
            for each in (frames, np.asarray(target)):
                said.update(f"{each.dtype}{each.shape}".encode() + each.tobytes())
    return {source: said.hexdigest() for source, said in made.items()}


def _changes(then: Fingerprint, now: Fingerprint) -> str:
    """Which items are not as they were."""
    before, after = then.items, now.items
    if len(before) == len(after) == 1 and set(before.values()) == set(after.values()):
        return ""
    changes = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    return ", ".join(
        f"{_counted(now.unit, names)} {verb}: {_listed(names)}" for verb, names in changes.items() if names
    )


def _moves(then: Fingerprint, now: Fingerprint) -> str:
    """Which sequences are in another part, or cut in another way."""
    parts = dict.fromkeys((*then.parts, *now.parts))
    before, after = ({part: Counter(each.parts.get(part, ())) for part in parts} for each in (then, now))
    left = {part: before[part] - after[part] for part in parts}
    came = {part: after[part] - before[part] for part in parts}
    told = []
    for old in parts:
        for new in parts:
            moved = left[old] & came[new]
            left[old], came[new] = left[old] - moved, came[new] - moved
            if moved:
                told.append(f"{_counted('sequence', moved)} moved from {old} to {new}: {_listed(moved)}")
    for verb, rest in (("added", came), ("removed", left)):
        names = set().union(*rest.values())
        if names:
            told.append(f"{_counted('sequence', names)} {verb}: {_listed(names)}")
    return ", ".join(told) or "the sequences are in another order"


def _counted(unit: str, names: Collection[str]) -> str:
    return f"1 {unit} was" if len(names) == 1 else f"{len(names):,} {unit}s were"


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:NAMED]
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown) + rest
