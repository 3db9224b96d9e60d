"""Signing a file: what may be signed, where its signature goes, and what its trusted comment states."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgernn.artifact.checksum import verify
from edgernn.device.runtimes import opening
from edgernn.errors import UsageError
from edgernn.files import atomic
from edgernn.package import archive, contents, minisign
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.package.secret_key import SecretKey, parse_secret_key
from edgernn.package.signature import comment_of, sign
from edgernn.package.trust import check_version


@dataclass(frozen=True)
class Signable:
    """A file that may be signed.

    Attributes:
        path: of the file.
        data: the bytes that a signature signs: of the file, or of the manifest of a package.
        comment: the trusted comment.
        members: of a package, by name; empty for any other file.
    """

    path: str
    data: bytes
    comment: str
    members: Mapping[str, bytes]

    def sign(self, key: SecretKey, name: str) -> str:
        """Write the signature, into a package or beside any other file, and return the path of the file that has it.

        Args:
            key: the key that signs.
            name: of its file in error messages.

        Raises:
            FileError: the key is damaged, or a file cannot be written; nothing was.
            MissingExtraError: `cryptography` is not installed.
        """
        signature = sign(self.data, key, self.comment, name)
        path = self.path if self.members else f"{self.path}{minisign.SUFFIX}"
        atomic.write(path, archive.packed({**self.members, SIGNATURE: signature}) if self.members else signature)
        return path


def read_secret_key(path: str | os.PathLike[str], password: Callable[[], str]) -> SecretKey:
    """Return the secret key in a file; `password` is called where it is encrypted.

    Raises:
        FileError: the file cannot be read, or is no secret key, or the password is wrong.
    """
    return parse_secret_key(atomic.read(path, longest=minisign.LONGEST), os.fspath(path), password)


def signable(path: str, version: str = "") -> Signable:
    """Return what may be signed of a package or an artifact, whole as it was written.

    Args:
        path: of the file.
        version: of an artifact; a package has its own, and its name.

    Raises:
        UsageError: no backend opens its suffix, the version is none, or arrived for a package.
        FileError: it cannot be read, or was truncated or altered.
    """
    file = Path(path)
    if file.suffix == archive.SUFFIX:
        if version:
            raise UsageError(
                f"--version {version} arrived for '{path}'; a package has its version: export it with another"
            )
        return _package(path)
    opening(path)
    if version:
        check_version(version, "--version")
    data = atomic.read(path)
    verify(data, path)
    return Signable(path, data, comment_of({"name": file.stem, "version": version, "file": file.name}), {})


def _package(path: str) -> Signable:
    package = contents.read(atomic.read(path), path)
    names = {"name": package.manifest.name, "version": package.manifest.model_version, "file": MANIFEST}
    members = {name: package.bytes_of(name) for name in package.members}
    return Signable(path, members[MANIFEST], comment_of(names), members)
