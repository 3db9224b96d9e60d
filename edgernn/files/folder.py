"""A new folder of files: all of them are there, or the folder does not exist."""

import os
from collections.abc import Mapping
from pathlib import Path

from edgernn.errors import FileError
from edgernn.files import temporary
from edgernn.files.atomic import reason, sync
from edgernn.process import interrupt


def absent(path: str | os.PathLike[str]) -> None:
    """Check that `create` may create a folder, before a long computation produces its files.

    Raises:
        FileError: there is a file, or a folder with something in it.
    """
    try:
        occupied = os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path))
    except OSError as error:
        raise _refused(path, error) from error
    if occupied:
        raise FileError(f"'{path}' exists and is no empty folder; nothing is replaced: choose another name")


@interrupt.deferred()
def create(path: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Create a folder with files; an empty folder is filled, and no other one is touched.

    Args:
        path: the folder; the one above it must exist.
        files: the bytes of each file by its path inside the folder, such as "src/main.c".

    Raises:
        FileError: `absent` raises, or the folder cannot be created.
    """
    absent(path)
    folder = Path(os.path.abspath(path))
    try:
        with temporary.directory(folder.parent) as place:
            content = place / "content"  # with the permissions that the umask leaves, unlike the place
            content.mkdir()
            for name, data in files.items():
                (content / name).parent.mkdir(parents=True, exist_ok=True)
                _write(content / name, data)
            for each in (content, *(each for each in content.rglob("*") if each.is_dir())):
                sync(each)
            content.rename(folder)  # fails where something has been put there since
        sync(folder.parent)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _refused(path: str | os.PathLike[str], error: OSError | ValueError) -> FileError:
    return FileError(f"the folder '{path}' cannot be created: {reason(error)}; check the path and the disk")
