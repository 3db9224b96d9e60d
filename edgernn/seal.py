"""The seal: the SHA-256 of a file inside the file, the same way in every format."""

import re
from hashlib import sha256

from edgernn.errors import FileError

KEY = "edgernn.sha256"
BLANK = "0" * 64

_MARK = f'"{KEY}":"'.encode()
_SEAL = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})\"")


def seal(data: bytes) -> bytes:
    """Fill in the one blank seal: the hash of the file with the seal blank.

    Raises:
        FileError: the data has no blank seal, or several.
    """
    at = _find(data, "what is being written")
    return data[:at] + sha256(data).hexdigest().encode() + data[at + len(BLANK) :]


def verify(data: bytes, name: str) -> str:
    """The hash in a sealed file, once it is known to be right.

    Args:
        data: the whole file.
        name: what to call the file in a message.

    Raises:
        FileError: not a file of edgernn, truncated or altered.
    """
    at = _find(data, name)
    found = data[at : at + len(BLANK)].decode()
    blank = data[:at] + BLANK.encode() + data[at + len(BLANK) :]
    if sha256(blank).hexdigest() != found:
        raise FileError(
            f"'{name}' was truncated or altered after it was written: its hash does not match; export it again"
        )
    return found


def _find(data: bytes, name: str) -> int:
    seals = list(_SEAL.finditer(data))
    if len(seals) != 1:
        raise FileError(
            f"'{name}' has {len(seals)} seals of edgernn; expected one: it was not written by edgernn, or was "
            "truncated; export it with edgernn_export.export"
        )
    return seals[0].start(1)
