"""The pointer of a store: one small file that says which package runs, and what runs if that one fails."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json, typed

FILE = "current.json"
LONGEST = 10_000  # bytes

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,200}\.edge", re.ASCII)


@dataclass(frozen=True)
class Pointer:
    """Which package of a store runs.

    Attributes:
        current: the file of the package that runs.
        previous: that of the one before it, which runs again if a trial fails; "" where there is none.
        trial: whether the current one still has to prove itself.
        starts: how often it was started during the trial.
        failed: why the last trial failed, in words; "" where none did.
    """

    current: str
    previous: str = ""
    trial: bool = False
    starts: int = 0
    failed: str = ""

    def __post_init__(self) -> None:
        if not is_name(self.current) or (self.previous and not is_name(self.previous)) or self.starts < 0:
            raise ValueError("it names no package of the store")


def is_name(text: str) -> bool:
    """Return whether a text can be the file of a package in a store."""
    return _NAME.fullmatch(text) is not None


def load(root: Path) -> Pointer | None:
    """Return the pointer of a store; None where nothing was installed yet.

    Raises:
        FileError: it cannot be read, or is none.
    """
    path = root / FILE
    if not path.exists():
        return None
    try:
        fields: Mapping[str, Any] = bounded_json.loads(atomic.read(path, longest=LONGEST))
        typed.check(Pointer, fields)
        return Pointer(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise FileError(
            f"'{path}' is no pointer of a store of models ({error}); install a package into an empty folder"
        ) from error


def save(root: Path, pointer: Pointer) -> None:
    """Write the pointer of a store, atomically: this is the moment in which the model changes.

    Raises:
        FileError: it cannot be written; the old one is unchanged.
    """
    atomic.write(root / FILE, json.dumps(asdict(pointer), indent=1).encode())
