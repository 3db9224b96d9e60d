"""Signing a file: what may be signed, where its signature goes, and what its trusted comment states."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgernn.artifact.checksum import verify
from edgernn.device.runtimes import opening
from edgernn.files import atomic
from edgernn.package import minisign
from edgernn.package.secret_key import SecretKey, parse_secret_key
from edgernn.package.signature import comment_of, sign
from edgernn.package.trust import check_version


@dataclass(frozen=True)
class Signed:
    """A signature that was written.

    Attributes:
        path: of the file that has it.
        key: the id of the key.
        comment: the trusted comment.
    """

    path: str
    key: str
    comment: str


def read_secret_key(path: str | os.PathLike[str], password: Callable[[], str]) -> SecretKey:
    """Return the secret key in a file; `password` is called where it is encrypted.

    Raises:
        FileError: the file cannot be read, or is no secret key, or the password is wrong.
    """
    return parse_secret_key(atomic.read(path, longest=minisign.LONGEST), os.fspath(path), password)


def signable(path: str, version: str) -> bytes:
    """Return the bytes of an artifact that may be signed.

    Raises:
        UsageError: no backend opens its suffix, or the version is none.
        FileError: it cannot be read, or its checksum does not match.
    """
    opening(path)
    if version:
        check_version(version, "--version")
    data = atomic.read(path)
    verify(data, path)
    return data


def sign_file(path: str, data: bytes, key: SecretKey, version: str) -> Signed:
    """Sign the bytes of a file, and write the signature beside it.

    Raises:
        FileError: the key is damaged, or the signature cannot be written.
        MissingExtraError: `cryptography` is not installed.
    """
    file = Path(path)
    comment = comment_of({"name": file.stem, "version": version, "file": file.name})
    out = f"{path}{minisign.SUFFIX}"
    atomic.write(out, sign(data, key, comment, "the secret key"))
    return Signed(out, str(key.public_key), comment)
