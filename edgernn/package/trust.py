"""What must be signed before it is opened: the key that is demanded, and the least version."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgernn.errors import SignatureError, UsageError
from edgernn.files import atomic
from edgernn.package import minisign
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.package.minisign import PublicKey, SignatureFile
from edgernn.package.signature import fields_of, verify
from edgernn.version import is_version, parts

VARIABLE = "EDGERNN_KEY"
"""The variable of the environment that demands a key wherever a program is opened."""

_TEXT = re.compile(r"RW[A-Za-z0-9+/]{54}")  # a public key as base64
VERSIONS = "up to eight numbers with dots between them, as 1.2.0"


@dataclass(frozen=True)
class Demand:
    """What a file must be before it is opened.

    Attributes:
        key: that must have signed it.
        min_version: the least version that it may have; "" for any.
        source: where the key was demanded, for messages.
    """

    key: PublicKey
    min_version: str = ""
    source: str = "key="

    def check_file(self, data: bytes, name: str) -> None:
        """Check a bare file by the signature beside it, `NAME.minisig`.

        Raises:
            SignatureError: there is none, it is not that of the key and these bytes, or the version is too old.
            FileError: it is no file of minisign, or cannot be read.
        """
        beside = f"{name}{minisign.SUFFIX}"
        if not os.path.lexists(beside):
            raise self._unsigned(name, f"there is no '{beside}'")
        signed = verify(data, atomic.read(beside, longest=minisign.LONGEST), self.key, name)
        self.check_version(fields_of(signed.trusted_comment).get("version", ""), name)

    def check_manifest(self, members: Mapping[str, bytes | memoryview], name: str) -> SignatureFile:
        """Check the manifest of a package, which has the SHA-256 of every other member, by the member that signs it.

        Args:
            members: of the package, by name.
            name: of the package in error messages.

        Raises:
            SignatureError: it has no signature, or not that of the key and these bytes.
            FileError: the signature is no file of minisign.
        """
        if SIGNATURE not in members:
            raise self._unsigned(name, f"it has no {SIGNATURE}")
        return verify(members[MANIFEST], bytes(members[SIGNATURE]), self.key, name)

    def check_version(self, version: str, name: str) -> None:
        """Check a version that was signed; dotted integers are compared, so 1.10 is later than 1.9, and 1.2 is 1.2.0.

        Raises:
            SignatureError: it is older than the least one, or no such version.
        """
        if not self.min_version:
            return
        if not is_version(version):
            arrived = f"has the version '{version}'" if version else "is signed without a version"
            raise SignatureError(f"'{name}' {arrived}; expected {VERSIONS}, at least {self.min_version}: sign it again")
        if parts(version) < parts(self.min_version):
            raise SignatureError(
                f"'{name}' has the version {version}; expected at least {self.min_version}: take a later one"
            )

    def _unsigned(self, name: str, reason: str) -> SignatureError:
        return SignatureError(
            f"'{name}' is not signed: {reason}, and {self.source} demands the key {self.key}; sign it where its secret "
            f"key is, with `edgernn sign {name} --key FILE`"
        )


def demanded(key: str | os.PathLike[str] | None, min_version: str | None) -> Demand | None:
    """Return what is demanded by the arguments of `open`, or by EDGERNN_KEY where there is no key; None for nothing.

    Args:
        key: the path of a public key, or its base64.
        min_version: dotted integers.

    Raises:
        UsageError: the key is empty, `min_version` is no version, or stands without a key.
        FileError: the key cannot be read, or is none.
    """
    source = "key="
    if key is None:
        key, source = os.environ.get(VARIABLE), VARIABLE
    if key is None:
        if min_version is not None:
            raise UsageError(
                f"min_version={min_version!r} arrived without a key; a version that nobody signed says nothing: give "
                f"key=, or set {VARIABLE}"
            )
        return None
    if min_version is not None:
        check_version(min_version, "min_version")
    return Demand(read_key(key, source), min_version or "", source)


def read_key(key: str | os.PathLike[str], source: str) -> PublicKey:
    """Return a public key from its path or its base64; `source` says where it was demanded, for messages.

    Raises:
        UsageError: the text is empty.
        FileError: the file cannot be read, or is no public key.
    """
    text = os.fspath(key)
    if not text:
        raise UsageError(
            f"{source} is empty; expected the path of a public key or its base64; remove it to demand none"
        )
    if _TEXT.fullmatch(text):
        return minisign.parse_public_key(text.encode(), text)
    return minisign.parse_public_key(atomic.read(text, longest=minisign.LONGEST), text)


def check_version(version: str, name: str) -> None:
    """Check that a text is a version; `name` is that of the option or argument in the message.

    Raises:
        UsageError: it is none.
    """
    if not is_version(version):
        raise UsageError(f"{name}={version!r} arrived; expected {VERSIONS}")
