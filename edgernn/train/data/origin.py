"""Where data was read from: the files, and the checksum of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The files that data was read from.

    Attributes:
        files: the path of each file below the data's folder (of a single file its name) -> the SHA-256 of its bytes.
        names: the path of each file as it was opened, which is how sources name it -> the same path as in `files`.
    """

    files: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, path: str | os.PathLike[str], checksums: Mapping[str, str]) -> "Origin":
        """Of a folder or file.

        Args:
            path: of the data.
            checksums: of each file that was read, by its path as it was opened.
        """
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
        names = {opened: Path(os.path.relpath(opened, folder)).as_posix() for opened in sorted(checksums)}
        return cls({name: checksums[opened] for opened, name in names.items()}, names)

    def within(self, source: str) -> str:
        """The source of a sequence without the path of the data, so that it is the same wherever the data is.

        "'PATH/a.csv', line 2" is "a.csv, line 2", or "line 2" in a single file.
        """
        name, _, where = source.rpartition("', ")
        opened = name.removeprefix("'")
        if opened not in self.names:
            return source
        return where if len(self.files) == 1 else f"{self.names[opened]}, {where}"
