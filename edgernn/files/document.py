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

    def entry_error(self, message: str, section: str, key: str, number: int, field: str = "") -> FileError:
        """Return an error that names the line of a table in a list, or of a field in it.

        Args:
            message: what is wrong.
            section, key: the list, such as `[section]` `key = [{ field = 1 }, ...]`, or tables `[[section.key]]`.
            number: of the table, from 0.
            field: the field.
        """
        if f"{section}.{key}" in self.overridden:
            return FileError(f"'{section}.{key}' as it was set: {message}")
        return FileError(f"'{self.path}', line {self._entry_line(section, key, number, field)}: {message}")

    def _entry_line(self, section: str, key: str, number: int, field: str) -> int:
        """Return the line of a field, or of its table when the table has none."""
        text = _LITERAL.sub(lambda literal: re.sub(r"[^\n]", " ", literal[0]), "\n".join(self.lines))
        headers = list(re.finditer(rf"(?m)^\s*\[\[\s*{re.escape(section)}\s*\.\s*{re.escape(key)}\s*\]\]", text))
        if headers:
            start = headers[number].end()
            after = re.compile(r"(?m)^\s*\[").search(text, start)
            end = after.start() if after else len(text)
        else:
            line = self._line(key, section)
            start, end = _inline_table(text, sum(len(each) + 1 for each in self.lines[: line - 1]), number)
        place = re.compile(rf"\b{re.escape(field)}\s*=").search(text, start, end) if field else None
        return text.count("\n", 0, place.start() if place else start) + 1

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


_LITERAL = re.compile(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*""")
"""A string in one line, or a comment."""


def _inline_table(text: str, start: int, number: int) -> tuple[int, int]:
    """Return where an inline table after `start` begins and ends; its number counts from 0."""
    depth, tables, first = 0, -1, start
    for brace in re.compile("[{}]").finditer(text, start):
        if brace[0] == "{":
            tables += not depth
            depth += 1
            first = brace.start() if depth == 1 else first
        else:
            depth -= 1
            if not depth and tables == number:
                return first, brace.start()
    return start, len(text)


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
