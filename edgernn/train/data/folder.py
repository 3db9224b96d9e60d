"""The files of a folder, and what their names say."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt

FIELDS = ("label", "group", "index", "name")


@dataclass(frozen=True)
class Named:
    """A file, and what its name says: the class, the group (the file itself when none is said), a number."""

    path: Path
    source: str  # the path below the folder, for messages
    label: str
    group: str
    index: int | None


def files(path: str | os.PathLike[str], suffixes: Collection[str]) -> list[Path]:
    """The file itself, or all files with one of the suffixes below the folder, sorted by name.

    Folders whose name begins with "_" or "." are passed over, as `_background_noise_` of Speech Commands.

    Raises:
        FileError: nothing is there, or nothing of the kind.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if not root.is_dir():
        beside = sorted(each.name for each in root.parent.iterdir()) if root.parent.is_dir() else []
        told = misspelt(root.name, beside[:20]) if beside else "check the path"
        raise FileError(f"there is no folder '{root}'; {told}")
    found = [
        each
        for each in sorted(root.rglob("*"))
        if each.suffix.lower() in suffixes
        and each.is_file()
        and not any(part.startswith(("_", ".")) for part in each.relative_to(root).parts)
    ]
    if not found:
        raise FileError(f"the folder '{root}' holds no {' or '.join(sorted(suffixes))} file; check the path")
    return found


def named(path: str | os.PathLike[str], suffixes: Collection[str], pattern: str) -> list[Named]:
    """The files of a folder with what a pattern finds in the path of each below it, without the suffix.

    Args:
        path: the folder.
        suffixes: those of the files, with the dot.
        pattern: such as "{label}/{name}" (a folder per class), "{label}/{group}_nohash_{index}" (Speech Commands) or
            "{label}_{group}_{index}" (spoken digits); index is a whole number.

    Raises:
        UsageError: a pattern without {label}, or with a field that is not known.
        FileError: a file whose name is of another pattern.
    """
    shape = _regex(pattern)
    found = []
    for each in files(path, suffixes):
        source = each.relative_to(path).as_posix() if Path(path).is_dir() else each.name
        said = shape.fullmatch(source.removesuffix(each.suffix))
        if said is None:
            raise FileError(f"the name of '{each}' does not follow the pattern '{pattern}'; rename it or give another")
        parts = said.groupdict()
        index = parts.get("index")
        found.append(
            Named(each, source, parts["label"], parts.get("group") or source, None if index is None else int(index))
        )
    return found


def _regex(pattern: str) -> re.Pattern[str]:
    asked = re.findall(r"{(\w*)}", pattern)
    for field in asked:
        if field not in FIELDS:
            raise UsageError(f"the pattern '{pattern}' has a field '{field}'; {misspelt(field, FIELDS)}")
    if "label" not in asked or len(set(asked)) < len(asked):
        raise UsageError(f"the pattern '{pattern}' must have {{label}}, and each field once")
    text = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    for field in asked:
        text = text.replace(f"{{{field}}}", r"(?P<index>\d+)" if field == "index" else f"(?P<{field}>[^/]+?)")
    return re.compile(text)
