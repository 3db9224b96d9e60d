"""Reading and writing whole files: a file is there complete, or not at all.

A file that is written over keeps its permissions. A symbolic link stays one, and the file at its end is replaced. A new
file has the permissions that the umask leaves. The owner is whoever writes, and another hard link to the old file keeps
the old bytes.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from errno import EINVAL, EISDIR, ELOOP, ENOSPC
from hashlib import sha256
from pathlib import Path

from edgernn.errors import FileError
from edgernn.files import temporary
from edgernn.process import interrupt

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
        handle, name = _temporary(_target(path))
        os.unlink(name)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error


@interrupt.deferred()
def write_all(files: Mapping[str, bytes]) -> None:
    """Write several files, each whole, or none of them: all are on the disk before the first takes its name.

    What a process that was killed left beside them is removed (edgernn.files.temporary).

    Raises:
        FileError: one cannot be written; nothing is left behind.
    """
    made: dict[str, tuple[int, str]] = {}
    targets: dict[str, Path] = {}
    path = ""
    try:
        for path, data in files.items():
            targets[path] = _target(path)
            made[path] = _temporary(targets[path])
            _fill(made[path][0], data, _mode(targets[path]))
        for path in files:
            os.replace(made[path][1], targets[path])
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


def _target(path: str | os.PathLike[str]) -> Path:
    """The file at the end of all links, so that what is replaced is the file and no link."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(ELOOP, os.strerror(ELOOP))
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(EINVAL, "it is a device, a pipe or a socket, and no file")
    return target


def _mode(target: Path) -> int | None:
    """The permissions of the file that is there; None when there is none."""
    return stat.S_IMODE(target.stat().st_mode) & 0o777 if target.exists() else None


def _temporary(target: Path) -> tuple[int, str]:
    """An open, empty file beside the target: private until it has the target's permissions, or with a new file's."""
    return temporary.file(target.parent, 0o600 if target.exists() else 0o666)


def _fill(handle: int, data: bytes, mode: int | None) -> None:
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(data)
        file.flush()
        if mode is not None:
            os.fchmod(file.fileno(), mode)
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


def appendable(path: str | os.PathLike[str]) -> None:
    """Make sure that lines can be put behind a file, or a new one be written, before anything long is done for it.

    Raises:
        FileError: they cannot.
    """
    if not os.path.lexists(path):
        writable(path)
        return
    try:
        os.close(_at_the_end(path))
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Put a line behind a file, whole or not at all, whoever else does so at the same time.

    Raises:
        FileError: it cannot be written; the file is as it was.
    """
    try:
        handle = _at_the_end(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.lseek(handle, 0, os.SEEK_END)
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = (b"\n" if torn else b"") + line + b"\n"
            try:
                if os.write(handle, data) < len(data):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))  # noqa: TRY301  it is a failed write as any other
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {_reason(error)}; check the path and the disk") from error


def _at_the_end(path: str | os.PathLike[str]) -> int:
    """Open a file for lines that are put behind what it has."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(EINVAL, "it is no ordinary file")
    return handle
