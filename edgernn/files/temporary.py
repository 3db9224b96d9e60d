"""Temporary files and folders that no process leaves for ever, one that was killed neither.

Whoever makes one holds a lock on it (flock), which the kernel releases when the process dies, however it dies. So the
next one that needs a temporary file in the same place removes what no process holds, and nothing that one still writes:
process numbers, which are used again and differ between containers, play no part. Where a file system has no locks,
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
    """A new, empty file in a folder: (a descriptor that holds its lock, its path).

    The file is the caller's, to rename or to remove; the descriptor is closed after that.

    Args:
        folder: where it is made.
        mode: its permissions, of which the umask of the process takes its bits.

    Raises:
        OSError: it cannot be made.
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
def directory() -> Iterator[Path]:
    """A folder among the system's temporary ones, until the end of the block."""
    top = Path(tempfile.gettempdir())
    sweep(top)
    while True:
        name = tempfile.mkdtemp(SUFFIX, PREFIX, top)
        handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        if _owned(handle, name):
            break
        os.close(handle)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders in a folder that belong to no living process."""
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if NAME.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove(path)


def _owned(handle: int, name: str) -> bool:
    """Lock what was just made: whether it is still there, since a sweep may have met it before it was locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), os.stat(name))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks, on which no sweep takes one either
        return True


def _remove(path: str) -> None:
    said = os.lstat(path)
    if said.st_uid != os.geteuid() or not (stat.S_ISREG(said.st_mode) or stat.S_ISDIR(said.st_mode)):
        return
    folder = stat.S_ISDIR(said.st_mode)
    # A file is opened for writing, since NFS gives no exclusive lock to those that only read.
    handle = os.open(path, (os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR) | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (shutil.rmtree if folder else os.unlink)(path)
    finally:
        os.close(handle)
