"""Where a study is kept: a journal in its folder, or any database that SQLAlchemy can reach."""

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
BEAT_S, GRACE_S = 10, 60  # a worker says that it lives; it is taken for dead after so long a silence
CONNECT_S = 10
TRIES = 8
EXAMPLES = "postgresql+psycopg://user@host/database or sqlite:///study.db"
CONNECT = {"postgresql": {"connect_timeout": CONNECT_S}, "sqlite": {"timeout": 60}}
"""What the driver of a kind of database is told."""


@contextmanager
def opened(where: str | None, out: Path) -> Iterator[Storage]:
    """The storage at a URL, or the journal in a folder; what goes wrong with it inside is told in a line.

    Args:
        where: a URL; None for the journal.
        out: the folder, which is there.

    Raises:
        UsageError: no URL, or one of a database that is not known.
        StorageError: the database cannot be reached.
        FileError: the journal cannot be read or written.
        MissingExtraError: the database needs a package that is not installed.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if where is None:
        yield _journal(out / JOURNAL)
        return
    url = _url(where)
    try:
        storage = _database(url)
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except NoSuchModuleError as error:
        raise UsageError(f"no database is called '{url.drivername}'; write a URL such as {EXAMPLES}") from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StorageError(f"the study at '{_shown(url)}' cannot be reached: {_reason(error, url)}") from error


class JournalLock(JournalFileOpenLock):
    """A lock on the journal itself, which the kernel releases when its holder dies.

    Those of Optuna are files beside it: one that was left by a worker that was killed holds up the others for half a
    minute, and the name that it is moved to is left for ever.
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
    """The journal, without the half of a line that a power cut may have left at its end."""
    lock = JournalLock(path)
    try:
        lock.acquire()
        try:
            said = path.read_bytes()
            if not said.endswith(b"\n"):
                os.truncate(path, said.rfind(b"\n") + 1)
        finally:
            lock.release()
        return JournalStorage(JournalFileBackend(str(path), lock))
    except OSError as error:
        raise FileError(f"'{path}' cannot be read or written: {error.strerror}; check the folder") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FileError(f"'{path}' is no journal of a study: {error}; choose another folder") from error


def _url(where: str) -> URL:
    try:
        return make_url(where)
    except (ArgumentError, ValueError) as error:  # the latter from a port that is no number
        raise UsageError(f"the storage is no URL of a database; write one such as {EXAMPLES}") from error


def _database(url: URL) -> RDBStorage:
    """The tables, made when they are not there; several workers may be about it at once, and one of them is first."""
    # Hours pass between two words with the database: no connection is kept open for so long.
    said = {"poolclass": NullPool, "connect_args": CONNECT.get(url.get_backend_name(), {})}
    for left in reversed(range(TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(
                    url.render_as_string(hide_password=False), said, heartbeat_interval=BEAT_S, grace_period=GRACE_S
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
    """Where it is, and nothing that is secret."""
    return URL.create(url.drivername, None, None, url.host, url.port, url.database).render_as_string()


def _reason(error: Exception, url: URL) -> str:
    """The first line of what the driver says."""
    inner = error.orig if isinstance(error, DBAPIError) else error.__cause__
    progress = str(inner or error).strip().splitlines()[0]
    for secret in (url.password, url.query.get("password")):
        progress = progress.replace(str(secret), "***") if secret else progress
    return progress
