"""The origin of data: its files and their checksums."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The files that data was read from.

    Attributes:
        files: the path of each file below the folder of the data (the name of a single file) -> the SHA-256 of its
            bytes.
        names: the path of each file as it was opened, which the sources contain -> its path in `files`.
    """

    files: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, path: str | os.PathLike[str], checksums: Mapping[str, str]) -> "Origin":
        """The origin of the data in a folder or file.

        Args:
            path: the path of the data.
            checksums: the path of each file as it was opened -> its checksum.
        """
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        names = {opened: Path(os.path.relpath(opened, folder)).as_posix() for opened in sorted(checksums)}
        return cls({name: checksums[opened] for opened, name in names.items()}, names)

    def within(self, source: str) -> str:
        """The source of a sequence without the path of the data.

        "'PATH/a.csv', line 2" becomes "a.csv, line 2", or "line 2" for a single file.
        """
        name, _, where = source.rpartition("', ")
        opened = name.removeprefix("'")
        if opened not in self.names:
            return source
        return where if len(self.files) == 1 else f"{self.names[opened]}, {where}"
