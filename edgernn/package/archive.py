"""The archive of a package: a stored zip in one canonical form, so that every bit of it counts.

`manifest.json` comes first, then the members by name, then the signature. Nothing is compressed; every date is
1980-01-01, every mode 0644; there are no comments, extra fields, folders or data descriptors. A reader computes every
byte that is no content from the names, sizes and CRC-32 of the directory, and refuses an archive with any other byte.
The members are never written to a disk.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct

from edgernn.errors import FileError, UnsupportedError

SUFFIX = ".edge"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.minisig"
"""The member that signs the bytes of the manifest; it is optional, and the manifest does not list it."""

MEMBERS = 256
"""The largest number of members."""

LARGEST = (1 << 32) - 1  # bytes of an archive; larger ones need another form of zip

_NAME = re.compile(rb"[a-z0-9][a-z0-9._+-]{0,99}")
NAMES = "lower-case letters, digits and . _ + -, at most 100, beginning with a letter or digit"

_LOCAL = Struct("<4s5H3L2H")
_CENTRAL = Struct("<4s6H3L5H2L")
_END = Struct("<4s4H2LH")
_VERSION, _UNIX, _DATE, _MODE = 20, 3 << 8, 0x21, 0o100644 << 16


@dataclass(frozen=True)
class _Entry:
    name: bytes
    crc: int
    size: int

    @property
    def local(self) -> bytes:
        sizes = (self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, *sizes) + self.name

    def central(self, at: int) -> bytes:
        sizes = (self.crc, self.size, self.size, len(self.name))
        fixed = (b"PK\1\2", _UNIX | _VERSION, _VERSION, 0, 0, 0, _DATE)
        return _CENTRAL.pack(*fixed, *sizes, 0, 0, 0, 0, _MODE, at) + self.name


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an archive; the order of the mapping does not matter.

    Raises:
        UnsupportedError: there is no manifest, there are more members than MEMBERS, one has a name that no archive
            holds, or the archive is larger than LARGEST.
    """
    names = sorted(members, key=_rank)
    for name in names:
        if not _NAME.fullmatch(name.encode()):
            raise UnsupportedError(f"{name!r} cannot be the name of a member; expected {NAMES}")
    if names[:1] != [MANIFEST] or len(names) > MEMBERS:
        raise UnsupportedError(f"{len(names)} members arrived; expected {MANIFEST} and at most {MEMBERS} in all")
    entries = [_Entry(name.encode(), zlib.crc32(members[name]), len(members[name])) for name in names]
    size = sum(len(each.local) + len(each.central(0)) + each.size for each in entries) + _END.size
    if size > LARGEST:
        raise UnsupportedError(f"the package would have {size:,} bytes; a package has at most {LARGEST:,}")
    parts = (part for each, name in zip(entries, names, strict=True) for part in (each.local, members[name]))
    return b"".join((*parts, *_tail(entries)))


def unpacked(data: bytes, name: str) -> dict[str, memoryview]:
    """Return the members of an archive by name, as views of its bytes.

    Args:
        data: the whole file.
        name: of the file, for messages.

    Raises:
        FileError: the bytes are not exactly those that `packed` returns for these members.
    """
    try:
        return _members(memoryview(data))
    except ValueError as error:
        raise FileError(
            f"'{name}' is not a whole package of edgernn: {error}; copy it again, or export it again"
        ) from error


def _members(data: memoryview) -> dict[str, memoryview]:
    entries, directory = _directory(data)
    members, at = dict[str, memoryview](), 0
    for entry in entries:
        name, start = entry.name.decode(), at + len(entry.local)
        _same(data[at:start], entry.local, at)
        at = start + entry.size
        if at > directory:
            raise ValueError(f"member '{name}' would end at byte {at:,}; the directory begins at {directory:,}")
        content = data[start:at]
        if zlib.crc32(content) != entry.crc:
            raise ValueError(f"the CRC-32 of member '{name}' does not match")
        members[name] = content
    if at != directory:
        raise ValueError(f"its members end at byte {at:,}; its directory begins at {directory:,}")
    for part in _tail(entries):
        _same(data[at : at + len(part)], part, at)
        at += len(part)
    return members


def _directory(data: memoryview) -> tuple[list[_Entry], int]:
    """Return the entries of the directory, and the byte where it begins."""
    end = len(data) - _END.size
    if end < 0 or bytes(data[end : end + 4]) != b"PK\5\6":
        raise ValueError("it does not end as a zip without a comment does; it may be truncated")
    _, _, _, _, count, size, start, _ = _END.unpack(data[end:])
    if not 1 <= count <= MEMBERS:
        raise ValueError(f"it has {count:,} members; expected 1 to {MEMBERS}")
    if start + size != end:
        raise ValueError(f"its directory has {size:,} bytes from {start:,}; expected them to end at {end:,}")
    entries, at = list[_Entry](), start
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise ValueError(f"its directory ends within an entry, at byte {at:,}")
        _, _, _, _, _, _, _, crc, size, _, length, *_ = _CENTRAL.unpack(data[at : at + _CENTRAL.size])
        name = bytes(data[at + _CENTRAL.size : at + _CENTRAL.size + length])
        if not _NAME.fullmatch(name):
            raise ValueError(f"a member is called {name[:100]!r}; expected {NAMES}")
        entries.append(_Entry(name, crc, size))
        at += _CENTRAL.size + length
    _check_order(entries)
    return entries, start


def _check_order(entries: Iterable[_Entry]) -> None:
    """Refuse names that come twice, or in another order."""
    names = [entry.name.decode() for entry in entries]
    if names[0] != MANIFEST:
        raise ValueError(f"it begins with '{names[0]}'; expected {MANIFEST}")
    for before, name in pairwise(names):
        if _rank(before) >= _rank(name):
            raise ValueError(f"member '{name}' comes after '{before}'; expected each once, by name")


def _rank(name: str) -> tuple[bool, bool, str]:
    return name != MANIFEST, name == SIGNATURE, name


def _tail(entries: Iterable[_Entry]) -> Iterator[bytes]:
    """Yield the directory and the end of an archive of these members."""
    at, size, count = 0, 0, 0
    for entry in entries:
        part = entry.central(at)
        at += len(entry.local) + entry.size
        size, count = size + len(part), count + 1
        yield part
    yield _END.pack(b"PK\5\6", 0, 0, count, count, size, at, 0)


def _same(actual: memoryview, expected: bytes, at: int) -> None:
    if actual != expected:
        pairs = zip(actual, expected, strict=False)
        place = at + next((i for i, (a, b) in enumerate(pairs) if a != b), len(actual))
        raise ValueError(f"byte {place:,} is not what a package has there")
