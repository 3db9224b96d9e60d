"""The checksum: the SHA-256 of a file, stored inside the file, in the same way in every format.

It detects damage, not forgery: whoever changes a file can compute it again. It is not a signature.
"""

import re
from hashlib import sha256
from pathlib import Path

from edgernn.errors import FileError

KEY = "edgernn.sha256"
BLANK = "0" * 64

_MARK = f'"{KEY}":"'.encode()
FOREIGN = (".onnx", ".tflite")
"""Suffixes that files of other tools have too."""

_CHECKSUM = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})\"")


def fill(data: bytes) -> bytes:
    """Replace the blank checksum by the hash of the file with the blank checksum.

    Raises:
        FileError: the data has no checksum, or several.
    """
    at = _find(data, "what is being written")
    return data[:at] + _hash(data, at).encode() + data[at + len(BLANK) :]


def verify(data: bytes, name: str) -> str:
    """Verify the checksum in a file, and return it.

    Args:
        data: the whole file.
        name: the file's name in error messages.

    Raises:
        FileError: edgernn did not write the file, or it was truncated or altered.
    """
    at = _find(data, name)
    stored = data[at : at + len(BLANK)].decode()
    if _hash(data, at) != stored:
        raise FileError(
            f"'{name}' was truncated or altered after it was written: its checksum does not match; export it again"
        )
    return stored


def is_artifact(data: bytes) -> bool:
    """Whether edgernn wrote the data: whether there is a checksum in it, right or wrong."""
    return _CHECKSUM.search(data) is not None


def _hash(data: bytes, at: int) -> str:
    """Return the hash of the file with a blank checksum at this offset, without a copy of the file."""
    view, digest = memoryview(data), sha256()
    for part in (view[:at], BLANK.encode(), view[at + len(BLANK) :]):
        digest.update(part)
    return digest.hexdigest()


def _find(data: bytes, name: str) -> int:
    """Return the offset of the checksum."""
    matches = _CHECKSUM.finditer(data)
    first, second = next(matches, None), next(matches, None)
    if first is None:
        raise FileError(
            f"edgernn did not write '{name}', or the file is truncated: it has no checksum of edgernn; {_instead(name)}"
        )
    if second is not None:
        raise FileError(f"'{name}' has several checksums of edgernn, as if files had been joined; expected one")
    return first.start(1)


def _instead(name: str) -> str:
    """What to do with a file that edgernn did not write."""
    path = Path(name)
    if path.suffix in FOREIGN:
        return (
            f"a model of another tool becomes a graph by `edgernn import {name} {path.with_suffix('.rnn').name}`, or "
            f"runs as it is after `edgernn adopt {name} -o OUT{path.suffix}`"
        )
    return "give a file that edgernn wrote, or convert the PyTorch model with edgernn_export.from_torch"
