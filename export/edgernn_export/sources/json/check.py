"""Whether a file is JSON of weights within bounds, found out without torch."""

from pathlib import Path
from typing import Any

from edgernn.errors import FileError
from edgernn.files import atomic, bounded_json

MEMORY = 48 << 20  # bytes for the values of a file, besides as many as the file has
NUMBERS = b"rnnoise-nu model file version 1"  # how a file of plain numbers begins
VALUE = 64  # bytes that a list, or a number in a list, takes at most


def check(path: str) -> None:
    """Refuse a file that `read` cannot read; raises as `members_of`."""
    data = atomic.read(path)
    if not data.startswith(NUMBERS):
        members_of(Path(path).name, data)


def members_of(name: str, data: bytes) -> dict[str, Any]:
    """Return the members of a JSON object.

    Raises:
        FileError: it is no JSON object, or would take much more memory than the file.
    """
    most = (MEMORY + len(data)) // VALUE
    values = sum(data.count(mark) for mark in (b",", b"[", b"{"))
    if values > most:
        raise FileError(f"'{name}' has {values:,} values in {len(data):,} bytes; expected {most:,} at most")
    try:
        text = data.decode() if len(data) <= bounded_json.LONGEST else data.decode("latin-1")  # a byte for a character
        value = bounded_json.loads(text, finite=False, longest=max(len(text), bounded_json.LONGEST))
    except ValueError as error:
        raise FileError(f"'{name}' is no JSON within bounds: {error}") from error
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise FileError(f"'{name}' holds a {kind}; expected a JSON object with layers and weights")
    return value
