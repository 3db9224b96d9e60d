"""The files of a folder, with labels from their names."""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edgernn.errors import FileError, UsageError
from edgernn.files.spelling import misspelt

FIELDS = ("label", "group", "index", "name")


@dataclass(frozen=True)
class LabelledFile:
    """A file with the class, the group (the source if the pattern has none) and the index from its name."""

    path: Path
    source: str  # the path below the folder, for messages
    label: str
    group: str
    index: int | None


def files(path: str | os.PathLike[str], suffixes: Collection[str]) -> list[Path]:
    """The file itself, or all files with one of the suffixes below the folder, sorted by name.

    Folders whose name begins with "_" or "." are skipped, such as `_background_noise_` of Speech Commands.

    Raises:
        FileError: The path does not exist, or has no such file.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if not root.is_dir():
        beside = sorted(each.name for each in root.parent.iterdir()) if root.parent.is_dir() else []
        hint = misspelt(root.name, beside[:20]) if beside else "check the path"
        raise FileError(f"there is no folder '{root}'; {hint}")
    matches = [
        each
        for each in sorted(root.rglob("*"))
        if each.suffix.lower() in suffixes
        and each.is_file()
        and not any(part.startswith(("_", ".")) for part in each.relative_to(root).parts)
    ]
    if not matches:
        raise FileError(f"the folder '{root}' has no {' or '.join(sorted(suffixes))} file; check the path")
    return matches


def labelled_files(path: str | os.PathLike[str], suffixes: Collection[str], pattern: str) -> list[LabelledFile]:
    """The files of a folder, with labels from a pattern of the path below the folder, without the suffix.

    Args:
        path: the folder.
        suffixes: the suffixes of the files, with the dot.
        pattern: such as "{label}/{name}" (a folder per class), "{label}/{group}_nohash_{index}" (Speech Commands) or
            "{label}_{group}_{index}" (spoken digits); index is an integer.

    Raises:
        UsageError: The pattern has no {label}, or an unknown field.
        FileError: The name of a file does not match the pattern.
    """
    shape = _regex(pattern)
    labelled = []
    for each in files(path, suffixes):
        source = each.relative_to(path).as_posix() if Path(path).is_dir() else each.name
        match = shape.fullmatch(source.removesuffix(each.suffix))
        if match is None:
            raise FileError(f"the name of '{each}' does not match the pattern '{pattern}'; rename it, or set pattern")
        parts = match.groupdict()
        index = parts.get("index")
        labelled.append(
            LabelledFile(
                each, source, parts["label"], parts.get("group") or source, None if index is None else int(index)
            )
        )
    return labelled


def _regex(pattern: str) -> re.Pattern[str]:
    fields = re.findall(r"{(\w*)}", pattern)
    for field in fields:
        if field not in FIELDS:
            raise UsageError(f"the pattern '{pattern}' has a field '{field}'; {misspelt(field, FIELDS)}")
    if "label" not in fields or len(set(fields)) < len(fields):
        raise UsageError(f"the pattern '{pattern}' must have {{label}}, and each field once")
    text = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
    for field in fields:
        text = text.replace(f"{{{field}}}", r"(?P<index>\d+)" if field == "index" else f"(?P<{field}>[^/]+?)")
    return re.compile(text)
