"""Reading and writing whole files: a file is there complete, or not at all."""

import os
import tempfile
from pathlib import Path

from edgernn.errors import FileError


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        FileError: it is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError(f"'{path}' cannot be read: {error.strerror}; check the path") from error


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that no other process, and no crash, ever meets half of it.

    Raises:
        FileError: it cannot be written; nothing is left behind.
    """
    target = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise FileError(f"'{path}' cannot be written: {error.strerror}; check the folder") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            raise FileError(f"'{path}' cannot be written: {error.strerror}; check the path and the disk") from error
        raise


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        FileError: it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder '{path}' cannot be made: {error.strerror}; choose another") from error
