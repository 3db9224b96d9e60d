"""Reading and writing whole files: a file is there complete, or not at all."""

import os
from collections.abc import Mapping
from contextlib import suppress
from errno import EISDIR
from pathlib import Path

from edgernn import interrupt, temporary
from edgernn.errors import FileError


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        FileError: it is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        raise FileError(f"'{path}' cannot be read: {_reason(error)}; check the path") from error


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
        handle, name = _temporary(Path(path))
        os.unlink(name)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error


@interrupt.deferred()
def write_all(files: Mapping[str, bytes]) -> None:
    """Write several files, each whole, or none of them: all are on the disk before the first takes its name.

    What a process that was killed left beside them is removed (edgernn.temporary).

    Raises:
        FileError: one cannot be written; nothing is left behind.
    """
    made: dict[str, tuple[int, str]] = {}
    path = ""
    try:
        for path, data in files.items():
            made[path] = _temporary(Path(path))
            _fill(made[path][0], data)
        for path in files:
            os.replace(made[path][1], path)
    except BaseException as error:
        for _, name in made.values():
            with suppress(FileNotFoundError):  # it has its name already
                os.unlink(name)
        if isinstance(error, OSError | ValueError):
            raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error
        raise
    finally:
        for handle, _ in made.values():
            os.close(handle)


def _temporary(target: Path) -> tuple[int, str]:
    """An open, empty file beside the target, with the permissions that a new file has here."""
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    handle, name = temporary.file(target.parent)
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(name, 0o666 & ~mask)
    return handle, name


def _fill(handle: int, data: bytes) -> None:
    with os.fdopen(handle, "wb", closefd=False) as file:
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
