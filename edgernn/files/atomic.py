"""Atomic reading and writing of whole files: a file is complete, or it does not exist.

An overwritten file keeps its permissions. A symbolic link stays a link, and its target is replaced. A new file has the
permissions that the umask leaves. The owner is the writing user. Another hard link to the old file keeps the old bytes.
"""

import fcntl
import os
import stat
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from errno import EINVAL, EISDIR, ELOOP, ENOSPC, ENOTSUP
from hashlib import sha256
from pathlib import Path

from edgernn.errors import FileError
from edgernn.files import temporary
from edgernn.process import interrupt

_CHECKSUMS: ContextVar[dict[str, str] | None] = ContextVar("_CHECKSUMS", default=None)


def read(path: str | os.PathLike[str], *, longest: int | None = None) -> bytes:
    """Return the bytes of a file.

    Args:
        path: the file.
        longest: the most bytes that it may have; no more are read.

    Raises:
        FileError: the file is missing, cannot be read, or is too long.
    """
    try:
        with open(path, "rb") as file:
            data = file.read() if longest is None else file.read(longest + 1)
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        raise FileError(f"'{path}' cannot be read: {reason(error)}; check the path") from error
    if longest is not None and len(data) > longest:
        raise FileError(f"'{path}' has more than {longest:,} bytes; expected {longest:,} at most: check the path")
    checksums = _CHECKSUMS.get()
    if checksums is not None:
        checksums[os.fspath(path)] = sha256(data).hexdigest()
    return data


@contextmanager
def checksums() -> Iterator[Mapping[str, str]]:
    """Collect the SHA-256 of each file that `read` returns inside the block, by path."""
    recorded: dict[str, str] = {}
    token = _CHECKSUMS.set(recorded)
    try:
        yield recorded
    finally:
        _CHECKSUMS.reset(token)


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file atomically: no other process sees part of it, and no crash leaves part of it.

    Raises:
        FileError: the file cannot be written; no temporary file remains.
    """
    write_all({os.fspath(path): data})


def writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written, before a long computation produces it.

    Raises:
        FileError: the file cannot be written.
    """
    try:
        handle, name = _temporary(_target(path))
        os.unlink(name)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {reason(error)}; check the path and the disk") from error


@interrupt.deferred()
def write_all(files: Mapping[str, bytes]) -> None:
    """Write several files, or none of them: all are on disk before the first is renamed.

    Temporary files of killed processes in the same folders are removed (edgernn.files.temporary).

    Raises:
        FileError: a file cannot be written; no temporary file remains.
    """
    temporaries: dict[str, tuple[int, str]] = {}
    targets: dict[str, Path] = {}
    path = ""
    try:
        for path, data in files.items():
            targets[path] = _target(path)
            temporaries[path] = _temporary(targets[path])
            _fill(temporaries[path][0], data, _mode(targets[path]))
        for path in files:
            os.replace(temporaries[path][1], targets[path])
        for folder in {target.parent for target in targets.values()}:
            sync(folder)
    except BaseException as error:
        for _, name in temporaries.values():
            with suppress(FileNotFoundError):  # it was renamed already
                os.unlink(name)
        if isinstance(error, OSError | ValueError):
            raise FileError(f"'{path}' cannot be written: {reason(error)}; check the path and the disk") from error
        raise
    finally:
        for handle, _ in temporaries.values():
            os.close(handle)


def absent(paths: Iterable[str]) -> None:
    """Check that files do not exist, before a long computation produces them.

    Raises:
        FileError: one exists.
    """
    for path in paths:
        if os.path.lexists(path):
            raise FileError(f"'{path}' exists already, and is never replaced; choose another path")


@interrupt.deferred()
def create_all(files: Mapping[str, bytes], private: Container[str] = ()) -> None:
    """Write several new files, or none of them; an existing file is never replaced.

    Args:
        files: the bytes by path.
        private: paths that only their owner may read or write.

    Raises:
        FileError: a file exists already or cannot be written; none of the others remains.
    """
    absent(files)
    temporaries: dict[str, tuple[int, str]] = {}
    created: list[str] = []
    path = ""
    try:
        for path, data in files.items():
            mode = 0o600 if path in private else 0o666
            temporaries[path] = temporary.file(Path(path).parent, mode)
            _fill(temporaries[path][0], data, None)
        for path, (_, name) in temporaries.items():
            os.link(name, path)  # unlike a renaming, it fails where another process was faster
            created.append(path)
    except BaseException as error:
        for each in created:
            os.unlink(each)
        if isinstance(error, OSError | ValueError):
            raise FileError(f"'{path}' cannot be created: {reason(error)}; choose another path") from error
        raise
    finally:
        for handle, name in temporaries.values():
            with suppress(FileNotFoundError):
                os.unlink(name)
            os.close(handle)


def _target(path: str | os.PathLike[str]) -> Path:
    """Resolve all links, so that the target is replaced and not a link."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(ELOOP, os.strerror(ELOOP))
    if target.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(EINVAL, "it is a device, a pipe or a socket, not a regular file")
    return target


def _mode(target: Path) -> int | None:
    """Return the permissions of an existing file; None when there is no file."""
    return stat.S_IMODE(target.stat().st_mode) & 0o777 if target.exists() else None


def _temporary(target: Path) -> tuple[int, str]:
    """Open an empty file beside the target: private when it will take the target's permissions, else by the umask."""
    return temporary.file(target.parent, 0o600 if target.exists() else 0o666)


def _fill(handle: int, data: bytes, mode: int | None) -> None:
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(data)
        file.flush()
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Put the names in a folder on disk, so that a rename outlives a loss of power."""
    with suppress(PermissionError):  # a folder may be writable and not readable
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (EINVAL, ENOTSUP):  # of file systems without folders on a disk
                raise
        finally:
            os.close(handle)


def reason(error: OSError | ValueError) -> str:
    """Why the system refused a path, in its own words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Create a folder and its parents; an existing folder is left as it is.

    Raises:
        FileError: the folder cannot be created.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder '{path}' cannot be made: {error.strerror}; choose another") from error


def appendable(path: str | os.PathLike[str]) -> None:
    """Check that lines can be appended to a file, or that it can be created, before a long computation produces them.

    Raises:
        FileError: the file cannot be written.
    """
    if not os.path.lexists(path):
        writable(path)
        return
    try:
        os.close(_at_the_end(path))
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {reason(error)}; check the path and the disk") from error


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Append a line to a file atomically, also while other processes append to it.

    Raises:
        FileError: the line cannot be written; the file is unchanged.
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
                    raise OSError(ENOSPC, os.strerror(ENOSPC))  # noqa: TRY301  handled as any other failed write
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise FileError(f"'{path}' cannot be written: {reason(error)}; check the path and the disk") from error


def _at_the_end(path: str | os.PathLike[str]) -> int:
    """Open a regular file for appending; it is created when it does not exist."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(EINVAL, "it is not a regular file")
    return handle
