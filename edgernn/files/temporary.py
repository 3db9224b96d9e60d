"""Temporary files and folders that are removed even after the process that made them was killed.

The process that creates one holds a lock on it (flock), which the kernel releases when the process ends in any way. The
next process that needs a temporary file in the same place removes each one that has no lock, and none that is still
written. Process numbers play no part: they are reused, and differ between containers. On a file system without locks,
nothing is removed.
"""

import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, SUFFIX = ".edgernn-", ".tmp"
NAME = re.compile(r"\.edgernn-[a-z0-9_]{8}\.tmp")


def file(folder: Path, mode: int = 0o600) -> tuple[int, str]:
    """Create an empty file in a folder; return (a descriptor that holds its lock, its path).

    The caller renames or removes the file, and then closes the descriptor.

    Args:
        folder: the folder of the file.
        mode: the permissions of the file, before the umask.

    Raises:
        OSError: the file cannot be created.
    """
    sweep(folder)
    while True:
        name = os.fspath(folder / f"{PREFIX}{secrets.token_hex(4)}{SUFFIX}")
        try:
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError:
            continue
        if _owned(handle, name):
            return handle, name
        os.close(handle)


@contextmanager
def directory(parent: Path | None = None) -> Iterator[Path]:
    """Create a private folder in a folder, and remove it at the end of the block.

    Args:
        parent: where it is created; by default among the system's temporary folders.

    Raises:
        OSError: the folder cannot be created.
    """
    top = parent or Path(tempfile.gettempdir())
    sweep(top)
    while True:
        name = tempfile.mkdtemp(SUFFIX, PREFIX, top)
        try:
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process swept it before the lock
            continue
        if _owned(handle, name):
            break
        os.close(handle)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in a folder that no running process holds."""
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if NAME.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove(path)


def _owned(handle: int, name: str) -> bool:
    """Lock a new file or folder; return whether it still exists, since a sweep may have removed it before the lock."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), os.stat(name))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks, where a sweep removes nothing
        return True


def _remove(path: str) -> None:
    status = os.lstat(path)
    if status.st_uid != os.geteuid() or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return
    folder = stat.S_ISDIR(status.st_mode)
    # A file is opened for writing, because NFS gives no exclusive lock on a file opened for reading.
    handle = os.open(path, (os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR) | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (shutil.rmtree if folder else os.unlink)(path)
    finally:
        os.close(handle)
