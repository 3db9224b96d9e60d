"""The files of minisign: public keys, and signatures of Ed25519. Nothing here computes one.

A file is lines of comments and of base64. A public key is 42 bytes: `Ed`, the id of the key, and the key. A signature
is four lines: an untrusted comment; 74 bytes, which are the algorithm (`ED` signs the BLAKE2b-512 of the data, the
older `Ed` the data), the id of the key and the signature; the trusted comment; and 64 bytes, which sign the signature
with the trusted comment behind it. Base64 has one spelling, and nothing stands behind the last line.
"""

import base64
import binascii
from dataclasses import dataclass, field

from edgernn.errors import FileError

UNTRUSTED, TRUSTED = "untrusted comment: ", "trusted comment: "
SUFFIX = ".minisig"
LONGEST = 1 << 14  # bytes of a file
COMMENT, TRUSTED_COMMENT = 1024, 8192  # bytes of a line
PUBLIC = b"Ed"
PREHASHED, LEGACY = b"ED", b"Ed"
ID, KEY, SIGNATURE = 8, 32, 64  # bytes


@dataclass(frozen=True)
class PublicKey:
    """A key that verifies.

    Attributes:
        id: 8 bytes, which a signature repeats; they are random and prove nothing.
        key: 32 bytes of Ed25519.
    """

    id: bytes
    key: bytes

    def __str__(self) -> str:
        return key_name(self.id)


@dataclass(frozen=True)
class SignatureFile:
    """What a file of a signature contains.

    Attributes:
        id: of the key that signed.
        signature: 64 bytes, of the data or of its hash.
        trusted_comment: the text that is signed too.
        global_signature: 64 bytes, of `signature` and the trusted comment.
        prehashed: whether the hash of the data is signed.
        untrusted_comment: a text that nobody signed.
    """

    id: bytes
    signature: bytes
    trusted_comment: str
    global_signature: bytes
    prehashed: bool = True
    untrusted_comment: str = field(default="signature of edgernn", compare=False)

    @property
    def globally_signed(self) -> bytes:
        """The bytes that the global signature signs."""
        return self.signature + self.trusted_comment.encode()


def key_name(key_id: bytes) -> str:
    """Return the id of a key as minisign prints it."""
    return f"{int.from_bytes(key_id, 'little'):X}"


def parse_public_key(data: bytes, name: str) -> PublicKey:
    """Return the key in the bytes of a file, or in its base64 alone; `name` is the file's name in error messages.

    Raises:
        FileError: the bytes are no public key of minisign.
    """
    what = f"'{name}' is no public key of minisign"
    if data.startswith(UNTRUSTED.encode()):
        comment, text = lines(data, 2, what)
        commented(comment, UNTRUSTED, COMMENT, what)
    else:
        (text,) = lines(data, 1, what)
    raw = decoded(text, len(PUBLIC) + ID + KEY, what)
    if not raw.startswith(PUBLIC):
        raise FileError(f"{what}: its algorithm is {raw[:2]!r}; expected {PUBLIC!r}, Ed25519")
    return PublicKey(raw[2 : 2 + ID], raw[2 + ID :])


def dump_public_key(key: PublicKey) -> bytes:
    """Return the file of a public key."""
    return f"{UNTRUSTED}minisign public key {key}\n{public_text(key)}\n".encode()


def public_text(key: PublicKey) -> str:
    """Return a public key as base64 alone, 56 characters."""
    return base64.b64encode(PUBLIC + key.id + key.key).decode()


def parse_signature(data: bytes, name: str) -> SignatureFile:
    """Return the signature in the bytes of a file; `name` is the file's name in error messages.

    Raises:
        FileError: the bytes are no signature of minisign.
    """
    what = f"'{name}' is no signature of minisign"
    untrusted, text, trusted, signed = lines(data, 4, what)
    raw = decoded(text, 2 + ID + SIGNATURE, what)
    if raw[:2] not in {PREHASHED, LEGACY}:
        raise FileError(f"{what}: its algorithm is {raw[:2]!r}; expected {PREHASHED!r} or {LEGACY!r}")
    return SignatureFile(
        id=raw[2 : 2 + ID],
        signature=raw[2 + ID :],
        trusted_comment=commented(trusted, TRUSTED, TRUSTED_COMMENT, what),
        global_signature=decoded(signed, SIGNATURE, what),
        prehashed=raw[:2] == PREHASHED,
        untrusted_comment=commented(untrusted, UNTRUSTED, COMMENT, what),
    )


def dump_signature(signature: SignatureFile) -> bytes:
    """Return the file of a signature."""
    algorithm = PREHASHED if signature.prehashed else LEGACY
    rows = (
        f"{UNTRUSTED}{signature.untrusted_comment}",
        base64.b64encode(algorithm + signature.id + signature.signature).decode(),
        f"{TRUSTED}{signature.trusted_comment}",
        base64.b64encode(signature.global_signature).decode(),
    )
    return "".join(f"{row}\n" for row in rows).encode()


def lines(data: bytes, count: int, what: str) -> list[str]:
    """Return the lines of a file; `what` begins an error message.

    Raises:
        FileError: the file is too long, is no text, or has another number of lines.
    """
    if len(data) > LONGEST:
        raise FileError(f"{what}: it has more than {LONGEST:,} bytes")
    try:
        rows = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise FileError(f"{what}: byte {error.start} is no UTF-8") from error
    if len(rows) != count:
        raise FileError(f"{what}: it has {len(rows)} lines; expected {count}")
    return rows


def commented(line: str, prefix: str, longest: int, what: str) -> str:
    """Return the text behind the prefix of a comment.

    Raises:
        FileError: the prefix is missing, or the text is too long or would not print as one line.
    """
    if not line.startswith(prefix):
        raise FileError(f"{what}: a line does not begin with '{prefix}'")
    if len(line.encode()) > longest:
        raise FileError(f"{what}: its comment has more than {longest:,} bytes")
    if not line.replace("\t", " ").isprintable():
        raise FileError(f"{what}: its comment has a character that cannot be printed")
    return line.removeprefix(prefix)


def decoded(text: str, size: int, what: str) -> bytes:
    """Return the bytes of a line of base64, which must be spelled as its encoder spells it.

    Raises:
        FileError: the text is no base64, or of another size.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise FileError(f"{what}: a line that should be base64 is none") from None  # the text may be a secret
    if len(raw) != size:
        raise FileError(f"{what}: a line of base64 has {len(raw)} bytes; expected {size}")
    if base64.b64encode(raw).decode() != text:
        raise FileError(f"{what}: a line of base64 does not end as it should")
    return raw
