"""Reading a package: the archive, the signature if one is demanded, the manifest and every hash, in this order.

No byte of an artifact reaches a parser or a runtime before all four were verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from edgernn.artifact.checksum import verify
from edgernn.errors import FileError
from edgernn.package import archive, goldens as recordings, manifest as manifests
from edgernn.package.archive import MANIFEST, SIGNATURE
from edgernn.package.goldens import Goldens
from edgernn.package.manifest import GOLDENS, PackageManifest
from edgernn.package.translation import ENCODER
from edgernn.package.trust import Demand


@dataclass(frozen=True)
class Package:
    """A package whose members are those that its manifest lists.

    Attributes:
        name: of the file.
        manifest: what the package says of itself.
        sha256: the checksum in the manifest.
        members: the bytes of each member by name, as views of the file.
    """

    name: str
    manifest: PackageManifest
    sha256: str
    members: Mapping[str, memoryview] = field(repr=False)

    def bytes_of(self, member: str) -> bytes:
        """Return a copy of the bytes of a member, for a parser or a runtime."""
        return bytes(self.members[member])

    def goldens(self) -> dict[str, Goldens]:
        """Return the goldens of each precision by its name, the model's own first.

        Raises:
            FileError: a member holds no goldens of its contract.
        """
        return {
            precision: recordings.parse(self.bytes_of(self.manifest.member(GOLDENS, precision)), contract, self.name)
            for precision, contract in self.manifest.contracts.items()
        }

    def encoder(self) -> "Package | None":
        """Return the encoder of a decoder, verified; None of any other model.

        Raises:
            FileError: it is damaged, or does not belong to the decoder.
        """
        translation = self.manifest.translation
        if translation is None:
            return None
        encoder = read(self.bytes_of(ENCODER), f"{self.name}:{ENCODER}")
        try:
            translation.check(encoder.manifest.contract, self.manifest.contract)
        except ValueError as error:
            raise FileError(f"'{self.name}' is no translator: {error}") from error
        return encoder


def read(data: bytes, name: str, demand: Demand | None = None) -> Package:
    """Return the package in the bytes of a file, verified.

    Args:
        data: the file.
        name: its name in messages.
        demand: the key that must have signed it, and its least version; None where any package may be read.

    Raises:
        SignatureError: it is unsigned, signed by another key or altered, or its version is too old.
        FileError: it is truncated or altered, no package, of another format, or its manifest does not list its members.
    """
    members = archive.unpacked(data, name)
    stated = bytes(members[MANIFEST])
    if demand is not None:
        demand.check_manifest(members, name)
    checksum = verify(stated, f"{name}:{MANIFEST}")
    manifest = manifests.parse(stated, name)
    if demand is not None:
        demand.check_version(manifest.model_version, name)
    _check_members(manifest, members, name)
    return Package(name, manifest, checksum, members)


def _check_members(manifest: PackageManifest, members: Mapping[str, memoryview], name: str) -> None:
    """Compare the members with the manifest."""
    listed = {MANIFEST, *manifest.members}
    odd = sorted((members.keys() - {SIGNATURE}) ^ listed)
    if odd:
        where = "is not in its manifest" if odd[0] in members else "is missing"
        raise FileError(f"member '{odd[0]}' of '{name}' {where}; export the package again")
    for each, stated in manifest.members.items():
        if len(members[each]) != stated.size or sha256(members[each]).hexdigest() != stated.sha256:
            raise FileError(
                f"member '{each}' of '{name}' was altered: it does not have the SHA-256 that the manifest states; copy "
                "the package again, or export it again"
            )
