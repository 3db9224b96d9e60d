"""The fingerprint of the data of a training: the checksum of every file, and the part of every sequence.

It is stored beside a checkpoint. A training never resumes on other data: an added recording changes the random split,
and recordings that were trained on would be in the test part.

The split is stored sequence by sequence, although files and recipe determine it, because another version of edgernn or
numpy may split differently. Frames are compared by the bytes of their files and not by their values, because logarithms
and sines differ in the last bit between processors.
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
NAMED = 3  # files or sequences that a message lists by name


@dataclass(frozen=True)
class Fingerprint:
    """Identifies the data of a training.

    Attributes:
        unit: "file", or "sequence" for data that was created in memory.
        items: the path of each file below the folder of the data -> the SHA-256 of its bytes; or the source of each
            sequence -> the SHA-256 of its frames and targets.
        parts: "training", "validation" or "test" -> its sequences in order, each with its number of steps.
        versions: the versions that made the split, for messages; they are not compared.
    """

    unit: str
    items: Mapping[str, str]
    parts: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, str]

    @property
    def checksum(self) -> str:
        """A hash that is equal for equal data in any folder."""
        items = sorted(self.items.values()) if len(self.items) == 1 else sorted(self.items.items())
        parts = {name: list(part) for name, part in self.parts.items()}
        return sha256(json.dumps([items, parts], sort_keys=True).encode()).hexdigest()

    @property
    def document(self) -> dict[str, Any]:
        """The fingerprint as a JSON document."""
        parts = {name: list(part) for name, part in self.parts.items()}
        return {"versions": dict(self.versions), "unit": self.unit, "items": dict(self.items), "parts": parts}

    @classmethod
    def of(cls, document: Any, name: str) -> Self:
        """The fingerprint in a JSON document.

        Args:
            document: the parsed JSON.
            name: the name of its file, for messages.

        Raises:
            FileError: The document is not a fingerprint.
        """
        try:
            parts = {str(part): tuple(map(str, names)) for part, names in document["parts"].items()}
            return cls(document["unit"], dict(document["items"]), parts, dict(document["versions"]))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise FileError(f"{name} is not a fingerprint of data: {error!r}; train in another folder") from error


def fingerprint(data: Data, validation: Sequences | None = None) -> Fingerprint:
    """Compute the fingerprint of the data of a training.

    Args:
        data: the data without the validation part.
        validation: the validation part, if any.
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
    """The versions of the packages that determine a split."""
    return {"edgernn": VERSION, "numpy": np.__version__}


def difference(then: Fingerprint, now: Fingerprint) -> str:
    """Describe what was added, removed, changed or moved to another part; "" for equal data.

    The name of a single file is not compared.
    """
    if then.checksum == now.checksum:
        return ""
    if then.unit != now.unit:
        return f"it had {then.unit}s then, and has {now.unit}s now"
    changes = _changes(then, now)
    if changes:
        sizes = [sum(map(len, each.parts.values())) for each in (then, now)]
        return changes + (f" ({sizes[0]:,} sequences then, {sizes[1]:,} now)" if sizes[0] != sizes[1] else "")
    was, are = (" and ".join(f"{name} {version}" for name, version in each.versions.items()) for each in (then, now))
    return f"the {then.unit}s are equal, but the split differs: {_moves(then, now)}; it was made by {was}, now by {are}"


def check_same(then: Fingerprint, now: Fingerprint, what: str, instead: str) -> None:
    """Refuse to continue with other data.

    Args:
        then, now: the fingerprint at the beginning, and the fingerprint now.
        what: what began with the data, such as "this training".
        instead: what to do other than give the same data.

    Raises:
        UsageError: The fingerprints differ; with the difference.
    """
    changes = difference(then, now)
    if changes:
        raise UsageError(f"{what} began with other data: {changes}; give the same data, or {instead}")


def check_file(path: str | os.PathLike[str], now: Fingerprint, what: str, instead: str) -> None:
    """As `check_same`, with the first fingerprint in a file.

    Raises:
        UsageError: The fingerprints differ; with the difference.
        FileError: The file cannot be read, or is not a fingerprint.
    """
    if not Path(path).exists():
        raise FileError(f"there is no '{path}', so the data that {what} began with is unknown; {instead}")
    check_same(load(path, instead), now, what, instead)


def load(path: str | os.PathLike[str], instead: str) -> Fingerprint:
    """The fingerprint in a file; `instead` is what to do where it has none.

    Raises:
        FileError: The file cannot be read, or is not a fingerprint.
    """
    try:
        document = bounded_json.loads(atomic.read(path), longest=LONGEST)
    except ValueError as error:
        raise FileError(f"'{path}' is not JSON: {error}; {instead}") from error
    return Fingerprint.of(document, f"'{path}'")


def dumps(of: Fingerprint) -> bytes:
    """The fingerprint as a JSON file, with one line for each file and sequence."""
    return (json.dumps(of.document, indent=1) + "\n").encode()


def _checksums(parts: Collection[Sequences]) -> dict[str, str]:
    """Source -> the checksum of the sequences from it, over all parts."""
    hashes: dict[str, Any] = {}
    for part in parts:
        for source, frames, target in zip(part.sources, part.frames, part.targets, strict=True):
            digest = hashes.setdefault(source, sha256())
            for each in (frames, np.asarray(target)):
                digest.update(f"{each.dtype}{each.shape}".encode() + each.tobytes())
    return {source: digest.hexdigest() for source, digest in hashes.items()}


def _changes(then: Fingerprint, now: Fingerprint) -> str:
    """The items that were added, removed or changed, as text."""
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
    """The sequences that are in another part, or cut in another way, as text."""
    parts = dict.fromkeys((*then.parts, *now.parts))
    before, after = ({part: Counter(each.parts.get(part, ())) for part in parts} for each in (then, now))
    left = {part: before[part] - after[part] for part in parts}
    came = {part: after[part] - before[part] for part in parts}
    moves = []
    for old in parts:
        for new in parts:
            moved = left[old] & came[new]
            left[old], came[new] = left[old] - moved, came[new] - moved
            if moved:
                moves.append(f"{_counted('sequence', moved)} moved from {old} to {new}: {_listed(moved)}")
    for verb, rest in (("added", came), ("removed", left)):
        names = set().union(*rest.values())
        if names:
            moves.append(f"{_counted('sequence', names)} {verb}: {_listed(names)}")
    return ", ".join(moves) or "the sequences are in another order"


def _counted(unit: str, names: Collection[str]) -> str:
    return f"1 {unit} was" if len(names) == 1 else f"{len(names):,} {unit}s were"


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:NAMED]
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(shown) + rest
