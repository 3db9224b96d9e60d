"""A TOML document whose errors name the file and the line of a key."""

import re
from dataclasses import dataclass
from typing import Any

from edgernn.errors import FileError
from edgernn.files import bounded_toml


@dataclass(frozen=True)
class Document:
    """A parsed TOML file.

    Attributes:
        path: its name, for error messages.
        values: the parsed content.
        lines: the lines of its text.
        overridden: each "section.key" whose value was replaced after parsing, such as by `--set`.
    """

    path: str
    values: dict[str, Any]
    lines: tuple[str, ...]
    overridden: frozenset[str] = frozenset()

    def error(self, message: str, key: str, section: str = "") -> FileError:
        """Return an error that names the line of a key, or names the key alone when its value was overridden."""
        if f"{section}.{key}" in self.overridden:
            return FileError(f"'{section}.{key}' as it was set: {message}")
        return FileError(f"'{self.path}', line {self._line(key, section)}: {message}")

    def _line(self, key: str, section: str) -> int:
        """Return the line of a key, within its section when that has a header of its own; 1 when the key is absent."""
        assignment = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=|\s*\[\s*{re.escape(key)}\s*\]""")
        current, mentions = "", []
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[([^\]]*)\]", line)
            current = header[1].strip() if header else current
            if assignment.match(line) and section in {"", current}:
                return number
            if key in line:
                mentions.append(number)
        return (mentions or [1])[0]


def parse(data: bytes, path: str) -> Document:
    """Parse the bytes of a TOML file; `path` is its name in error messages.

    Raises:
        FileError: the file is not valid TOML, or exceeds the bounds of `edgernn.files.bounded_toml`.
    """
    try:
        text = data.decode()
        return Document(path, bounded_toml.loads(text), tuple(text.splitlines()))
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is not valid TOML: byte {error.start} is not UTF-8; save it as UTF-8") from error
    except ValueError as error:
        raise FileError(f"'{path}' is not valid TOML: {error}") from error
