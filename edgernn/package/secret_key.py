"""Secret keys of minisign: a file of 158 bytes in base64, encrypted with a password by scrypt, or plain.

The bytes: `Ed`; `Sc` for scrypt, or two zeros for a plain key; `B2`, a checksum by BLAKE2b; the salt and the two limits
of scrypt, as libsodium has them; and, encrypted, the id of the key, its seed, the public key and the checksum of these.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b, scrypt

from edgernn.errors import FileError
from edgernn.package.minisign import COMMENT, ID, KEY, PUBLIC, UNTRUSTED, PublicKey, commented, decoded, lines

ENCRYPTED, PLAIN = b"Sc", bytes(2)
CHECKSUM = b"B2"
SALT, LIMIT, DIGEST = 32, 8, 32  # bytes
SECRET = ID + 2 * KEY + DIGEST
BLOCK = 8  # scrypt's r, which libsodium does not vary
LEAST_OPERATIONS = 1 << 15
MOST_PARALLEL = 1 << 30


@dataclass(frozen=True)
class Cost:
    """The limits that libsodium derives scrypt's parameters from.

    Attributes:
        operations: its opslimit.
        memory: its memlimit, in bytes.
    """

    operations: int
    memory: int

    @property
    def parameters(self) -> tuple[int, int]:
        """Scrypt's (n, p), chosen as libsodium chooses them; its r is BLOCK."""
        operations = max(self.operations, LEAST_OPERATIONS)
        narrow = operations < self.memory // 32
        most = operations // (BLOCK * 4) if narrow else self.memory // (BLOCK * 128)
        exponent = max(1, (most // 2).bit_length())
        return 1 << exponent, 1 if narrow else min((operations // 4) >> exponent, MOST_PARALLEL - 1) // BLOCK


SENSITIVE = Cost(1 << 25, 1 << 30)
"""What minisign takes: a gibibyte for some seconds. A file that asks for more is refused."""


@dataclass(frozen=True)
class SecretKey:
    """A key that signs. It is not printed.

    Attributes:
        id: 8 bytes.
        seed: 32 bytes, the secret.
        public: 32 bytes of the public key.
    """

    id: bytes
    seed: bytes = field(repr=False)
    public: bytes

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(self.id, self.public)


def parse_secret_key(data: bytes, name: str, password: Callable[[], str]) -> SecretKey:
    """Return the key in the bytes of a file.

    Args:
        data: the file.
        name: its name in error messages.
        password: called where the key is encrypted.

    Raises:
        FileError: the bytes are no secret key of minisign, or the password is wrong. The message has nothing of it.
    """
    what = f"'{name}' is no secret key of minisign"
    comment, text = lines(data, 2, what)
    commented(comment, UNTRUSTED, COMMENT, what)
    raw = decoded(text, len(PUBLIC) + len(ENCRYPTED) + len(CHECKSUM) + SALT + 2 * LIMIT + SECRET, what)
    method, salt, limits, secret = raw[2:4], raw[6:38], raw[38:54], raw[54:]
    if raw[:2] != PUBLIC or method not in {ENCRYPTED, PLAIN} or raw[4:6] != CHECKSUM:
        raise FileError(f"{what}: its algorithms are {raw[:6]!r}; expected Ed25519, scrypt or none, and BLAKE2b")
    if method == ENCRYPTED:
        cost = Cost(int.from_bytes(limits[:LIMIT], "little"), int.from_bytes(limits[LIMIT:], "little"))
        if cost.operations > SENSITIVE.operations or cost.memory > SENSITIVE.memory:
            raise FileError(f"{what}: its password would take more time or memory than minisign asks for")
        secret = _combined(secret, _stream(password(), salt, cost, name))
    content, digest = secret[:-DIGEST], secret[-DIGEST:]
    if digest != _checksum(content) and (method == ENCRYPTED or any(digest)):  # minisign leaves zeros in a plain key
        wrong = "the password is wrong, or the file was altered" if method == ENCRYPTED else "the file was altered"
        raise FileError(f"'{name}' cannot be used: {wrong}")
    return SecretKey(content[:ID], content[ID : ID + KEY], content[ID + KEY :])


def dump_secret_key(key: SecretKey, password: str | None, cost: Cost = SENSITIVE) -> bytes:
    """Return the file of a secret key, encrypted unless the password is None.

    Raises:
        FileError: this machine lacks the memory to encrypt it.
    """
    content = key.id + key.seed + key.public
    if password is None:
        head, secret = PLAIN + CHECKSUM + bytes(SALT + 2 * LIMIT), content + _checksum(content)
    else:
        salt = os.urandom(SALT)
        limits = cost.operations.to_bytes(LIMIT, "little") + cost.memory.to_bytes(LIMIT, "little")
        head = ENCRYPTED + CHECKSUM + salt + limits
        secret = _combined(content + _checksum(content), _stream(password, salt, cost, "the secret key"))
    text = base64.b64encode(PUBLIC + head + secret).decode()
    return f"{UNTRUSTED}minisign encrypted secret key\n{text}\n".encode()


def _checksum(content: bytes) -> bytes:
    return blake2b(PUBLIC + content, digest_size=DIGEST).digest()


def _stream(password: str, salt: bytes, cost: Cost, name: str) -> bytes:
    """Return the bytes that a secret is combined with."""
    n, p = cost.parameters
    memory = 128 * BLOCK * (n + p + 2)
    try:
        return scrypt(password.encode(), salt=salt, n=n, r=BLOCK, p=p, maxmem=memory, dklen=SECRET)
    except (ValueError, MemoryError, OverflowError) as error:
        raise FileError(
            f"the password of '{name}' cannot be tried: scrypt needs {memory >> 20:,} MiB of memory here ({error})"
        ) from None


def _combined(secret: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(secret, stream, strict=True))
