"""The storage of a study: a journal in its folder, or a database supported by SQLAlchemy."""

import fcntl
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)

from edgernn.errors import FileError, MissingExtraError, StorageError, UsageError
from edgernn.process import interrupt

Storage: TypeAlias = JournalStorage | RDBStorage

JOURNAL = "study.journal"
BEAT_S, GRACE_S = 10, 60  # the interval of heartbeats; a worker without one for GRACE_S counts as dead
CONNECT_S = 10
TRIES = 8
EXAMPLES = "postgresql+psycopg://user@host/database or sqlite:///study.db"
CONNECT = {"postgresql": {"connect_timeout": CONNECT_S}, "sqlite": {"timeout": 60}}
"""A type of database -> the options of its driver."""


@contextmanager
def open_storage(url: str | None, out: Path) -> Iterator[Storage]:
    """Open the storage at a URL, or the journal in a folder. Its errors are converted to those of edgernn.

    Args:
        url: a URL; None for the journal.
        out: the existing folder.

    Raises:
        UsageError: The URL is invalid, or its database type is unknown.
        StorageError: The database cannot be reached.
        FileError: The journal cannot be read or written.
        MissingExtraError: The database needs a package that is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if url is None:
        yield _journal(out / JOURNAL)
        return
    address = _url(url)
    try:
        storage = _database(address)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except NoSuchModuleError as error:
        raise UsageError(f"there is no database type '{address.drivername}'; write a URL such as {EXAMPLES}") from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StorageError(f"the study at '{_shown(address)}' cannot be reached: {_reason(error, address)}") from error


class JournalLock(JournalFileOpenLock):
    """A lock on the journal itself. The kernel releases it when its holder dies.

    Optuna's locks are files beside the journal: the lock of a killed worker blocks the others for half a minute, and
    its renamed file is never removed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._handle = path, -1

    def acquire(self) -> bool:
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        os.close(self._handle)


def _journal(path: Path) -> JournalStorage:
    """Open the journal, after removing an incomplete last line, which a power failure may leave."""
    lock = JournalLock(path)
    try:
        lock.acquire()
        try:
            content = path.read_bytes()
            if not content.endswith(b"\n"):
                os.truncate(path, content.rfind(b"\n") + 1)
        finally:
            lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock))
    except OSError as error:
        raise FileError(f"'{path}' cannot be read or written: {error.strerror}; check the folder") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"'{path}' is not the journal of a study: {error}; choose another folder") from error


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:  # ValueError: the port is not a number
        raise UsageError(f"the storage is not a database URL; write one such as {EXAMPLES}") from error


def _database(url: URL) -> RDBStorage:
    """Open the database and create its tables. Several workers may do so at once; all but the first retry."""
    # Hours may pass between two accesses: no connection is kept open.
    options = {"poolclass": NullPool, "connect_args": CONNECT.get(url.get_backend_name(), {})}
    for left in reversed(range(TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    url.render_as_string(hide_password=False), options, heartbeat_interval=BEAT_S, grace_period=GRACE_S
                )
        except ImportError as error:
            if url.get_backend_name() == "postgresql":
                raise MissingExtraError("psycopg", "search", "a study in PostgreSQL") from error
            raise UsageError(f"the driver of '{url.drivername}' is not installed; install it by pip") from error
        except (IntegrityError, ProgrammingError, StorageInternalError):
            if not left:
                raise
            interrupt.sleep(0.25)
    raise AssertionError


def _shown(url: URL) -> str:
    """The URL without credentials."""
    return URL.create(url.drivername, None, None, url.host, url.port, url.database).render_as_string()


def _reason(error: Exception, url: URL) -> str:
    """The first line of the driver's error message, without passwords."""
    inner = error.orig if isinstance(error, DBAPIError) else error.__cause__
    line = str(inner or error).strip().splitlines()[0]
    for secret in (url.password, url.query.get("password")):
        line = line.replace(str(secret), "***") if secret else line
    return line
