"""TOML that people write: read with the line of whatever is wrong, and a suggestion for what looks misspelt."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from edgernn.errors import FileError
from edgernn.files import plain_toml


@dataclass(frozen=True)
class Document:
    """A file: what it holds, its lines, and which "section.key" something else is said of in their place."""

    path: str
    values: dict[str, Any]
    lines: tuple[str, ...]
    instead: frozenset[str] = frozenset()

    def error(self, told: str, key: str, section: str = "") -> FileError:
        """What is wrong, with the line at which the key stands, unless it was set to something else."""
        if f"{section}.{key}" in self.instead:
            return FileError(f"'{section}.{key}' as it was set: {told}")
        return FileError(f"'{self.path}', line {self._line(key, section)}: {told}")

    def _line(self, key: str, section: str) -> int:
        """Where a key stands, in its section when that has a header of its own; line 1 when it is nowhere."""
        stands = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=|\s*\[\s*{re.escape(key)}\s*\]""")
        now, found = "", []
        for number, line in enumerate(self.lines, 1):
            header = re.match(r"\s*\[([^\]]*)\]", line)
            now = header[1].strip() if header else now
            if stands.match(line) and section in {"", now}:
                return number
            if key in line:
                found.append(number)
        return (found or [1])[0]


def parse(data: bytes, path: str) -> Document:
    """The document in the bytes of a file; `path` is its name, for messages.

    Raises:
        FileError: no TOML.
    """
    try:
        text = data.decode()
        return Document(path, plain_toml.loads(text), tuple(text.splitlines()))
    except UnicodeDecodeError as error:
        raise FileError(f"'{path}' is no TOML: byte {error.start} is not UTF-8; save it as UTF-8") from error
    except ValueError as error:
        raise FileError(f"'{path}' is no TOML: {error}") from error


def misspelt(name: str, known: Iterable[str], *, products: bool = False) -> str:
    """The end of a message about a name that is not there: a suggestion, and all that there is; see `closest`."""
    choices = list(known)
    close = closest(name, choices, products=products)
    return f"{f'did you mean {close!r}? ' if close else ''}there are {', '.join(choices)}"


def closest(name: str, known: Iterable[str], *, products: bool = False) -> str:
    """What was perhaps meant; "" when nothing is like it.

    Args:
        name: what arrived.
        known: what there is.
        products: whether these are names of products, where other digits are another product and no typing error.
    """
    likely = [each for each in known if not products or _digits(each) == _digits(name)]
    return next(iter(get_close_matches(name, likely, 1)), "")


def _digits(name: str) -> list[str]:
    """The digits in a name, in no order: two that changed places are a typing error."""
    return sorted(each for each in name if each.isdigit())
