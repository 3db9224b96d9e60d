"""The checksum: the SHA-256 of a file inside the file, the same way in every format.

It tells damage, and not who wrote the file: whoever changes a file can compute it anew. It is no signature.
"""

import re
from hashlib import sha256

from edgernn.errors import FileError

KEY = "edgernn.sha256"
BLANK = "0" * 64

_MARK = f'"{KEY}":"'.encode()
_CHECKSUM = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})\"")


def fill(data: bytes) -> bytes:
    """Fill in the one blank checksum: the hash of the file with the checksum blank.

    Raises:
        FileError: the data has no checksum, or several.
    """
    at = _find(data, "what is being written")
    return data[:at] + _hash(data, at).encode() + data[at + len(BLANK) :]


def verify(data: bytes, name: str) -> str:
    """The checksum in a file, once it is known to be right.

    Args:
        data: the whole file.
        name: what to call the file in a message.

    Raises:
        FileError: edgernn did not write it, or it was truncated or altered.
    """
    at = _find(data, name)
    found = data[at : at + len(BLANK)].decode()
    if _hash(data, at) != found:
        raise FileError(
            f"'{name}' was truncated or altered after it was written: its checksum does not match; export it again"
        )
    return found


def _hash(data: bytes, at: int) -> str:
    """The hash of the file with the checksum at this place blank; the file is not copied."""
    whole, made = memoryview(data), sha256()
    for part in (whole[:at], BLANK.encode(), whole[at + len(BLANK) :]):
        made.update(part)
    return made.hexdigest()


def _find(data: bytes, name: str) -> int:
    """Where the checksum stands."""
    found = _CHECKSUM.finditer(data)
    first, second = next(found, None), next(found, None)
    if first is None:
        raise FileError(
            f"edgernn did not write '{name}', or the file is truncated: it has no checksum of edgernn; give a file "
            "that edgernn wrote, or convert the PyTorch model with edgernn_export.from_torch"
        )
    if second is not None:
        raise FileError(f"'{name}' has several checksums of edgernn, as if files had been joined; expected one")
    return first.start(1)
