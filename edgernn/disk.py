"""Reading and writing whole files: a file is there complete, or not at all."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from errno import EISDIR
from hashlib import sha256
from pathlib import Path

from edgernn.errors import FileError

_CHECKSUMS: ContextVar[dict[str, str] | None] = ContextVar("_CHECKSUMS", default=None)


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        FileError: it is missing or cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        raise FileError(f"'{path}' cannot be read: {_reason(error)}; check the path") from error
    checksums = _CHECKSUMS.get()
    if checksums is not None:
        checksums[os.fspath(path)] = sha256(data).hexdigest()
    return data


@contextmanager
def checksums() -> Iterator[Mapping[str, str]]:
    """The path of each file that `read` reads inside the block -> the SHA-256 of the bytes that it gave."""
    found: dict[str, str] = {}
    token = _CHECKSUMS.set(found)
    try:
        yield found
    finally:
        _CHECKSUMS.reset(token)


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that no other process, and no crash, ever meets half of it.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    write_all({os.fspath(path): data})


def writable(path: str | os.PathLike[str]) -> None:
    """Make sure that a file can be written here, before anything long is done for it.

    Raises:
        FileError: it cannot.
    """
    try:
        os.unlink(_temporary(Path(path)))
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error


def write_all(files: Mapping[str, bytes]) -> None:
    """Write several files, each whole, or none of them: all are on the disk before the first takes its name.

    Raises:
        FileError: one cannot be written; nothing is left behind.
    """
    made: dict[str, str] = {}
    path = ""
    try:
        for path, data in files.items():
            made[path] = _temporary(Path(path))
            _fill(made[path], data)
        for path in files:
            os.replace(made[path], path)
    except BaseException as error:
        for temporary in made.values():
            with suppress(FileNotFoundError):  # it has its name already
                os.unlink(temporary)
        if isinstance(error, OSError | ValueError):
            raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error
        raise


def _temporary(target: Path) -> str:
    """An empty file beside the target, with the permissions that a new file has here."""
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, 0o666 & ~mask)
    return name


def _fill(name: str, data: bytes) -> None:
    with Path(name).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        FileError: it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder '{path}' cannot be made: {error.strerror}; choose another") from error
