"""Signing and verifying bytes with Ed25519, in the files of minisign. The arithmetic is that of `cryptography`."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from urllib.parse import quote, unquote

from edgernn.errors import FileError, SignatureError
from edgernn.extras import needed
from edgernn.package.minisign import (
    ID,
    KEY,
    TRUSTED,
    TRUSTED_COMMENT,
    PublicKey,
    SignatureFile,
    commented,
    dump_signature,
    key_name,
    parse_signature,
)
from edgernn.package.secret_key import SecretKey


def generate() -> SecretKey:
    """Return a new key from the random numbers of the system.

    Raises:
        MissingExtraError: `cryptography` is not installed.
    """
    seed = os.urandom(KEY)
    return SecretKey(os.urandom(ID), seed, public_half(seed))


def sign(data: bytes, key: SecretKey, comment: str, name: str) -> bytes:
    """Return the file that signs data and a trusted comment.

    Args:
        data: what is signed.
        key: as `parse_secret_key` returns it.
        comment: one line of text, signed too.
        name: of the key's file in error messages.

    Raises:
        FileError: the two halves of the key do not belong together, or the comment is no line that minisign reads.
        MissingExtraError: `cryptography` is not installed.
    """
    with needed("signing"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    commented(f"{TRUSTED}{comment}", TRUSTED, TRUSTED_COMMENT, "the comment cannot be signed")
    if public_half(key.seed) != key.public:
        raise FileError(f"'{name}' cannot be used: its secret and its public half do not belong together")
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    signature = private.sign(_hash(data))
    signed = SignatureFile(key.id, signature, comment, private.sign(signature + comment.encode()))
    return dump_signature(signed)


def verify(data: bytes | memoryview, signature: bytes, key: PublicKey, name: str) -> SignatureFile:
    """Return what a file of a signature contains, once it is known that the key signed data and comment.

    Args:
        data: what was signed.
        signature: the file of its signature.
        key: the key that must have signed.
        name: of the data in error messages.

    Raises:
        FileError: the signature is no file of minisign.
        SignatureError: another key signed, or the data, the signature or its comment was altered.
        MissingExtraError: `cryptography` is not installed.
    """
    with needed("verifying a signature"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    parsed = parse_signature(signature, f"the signature of {name}")
    if parsed.id != key.id:
        raise SignatureError(
            f"'{name}' was signed by the key {key_name(parsed.id)}; expected the key {key}: get a file that it signed"
        )
    try:
        public = Ed25519PublicKey.from_public_bytes(key.key)
        public.verify(parsed.signature, _hash(data) if parsed.prehashed else data)
        public.verify(parsed.global_signature, parsed.globally_signed)
    except (InvalidSignature, ValueError) as error:  # ValueError: 32 bytes that are no point of the curve
        raise SignatureError(
            f"'{name}' or its signature was altered: the key {key} did not sign this; do not use it"
        ) from error
    return parsed


def comment_of(fields: Mapping[str, str]) -> str:
    """Return a trusted comment, `name=kws version=1.2.0`: empty values are left out, other characters are %-encoded."""
    return " ".join(f"{name}={quote(value, safe='+')}" for name, value in fields.items() if value)


def fields_of(comment: str) -> dict[str, str]:
    """Return the fields of a trusted comment; words without `=` are left out, and the first of a name counts."""
    fields: dict[str, str] = {}
    for word in comment.split():
        name, equals, value = word.partition("=")
        if equals:
            fields.setdefault(name, unquote(value))
    return fields


def public_half(seed: bytes) -> bytes:
    """Return the 32 bytes of the public key of a seed.

    Raises:
        MissingExtraError: `cryptography` is not installed.
    """
    with needed("a key pair"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _hash(data: bytes | memoryview) -> bytes:
    return blake2b(data).digest()
