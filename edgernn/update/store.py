"""A store of models on a device: a folder with packages, and a pointer to the one that runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fcntl import LOCK_EX, flock
from pathlib import Path

from edgernn.budget.verdict import Budget
from edgernn.errors import UpdateError, UsageError
from edgernn.files import atomic
from edgernn.package import contents, trust
from edgernn.package.archive import SUFFIX
from edgernn.runtime.program import Program, open as opened
from edgernn.update import pointer as pointers
from edgernn.update.candidate import check_candidate
from edgernn.update.pointer import Pointer
from edgernn.version import is_version, parts

MOST_STARTS = 3
LOCK, INSTALLING = ".lock", ".installing"


@dataclass(frozen=True)
class ModelStore:
    """The models of a device in one folder: the one that runs, and the one before it.

    Every change is one atomic write of the pointer, so that a working model is there whenever the power fails. The
    functions may be called from several processes.

    Attributes:
        root: the folder; it is made when a package is installed.
        key: the public key that must have signed every package, as edgernn.open takes it.
        most_starts: how often a model may be started on trial before it is taken for one that crashes.
    """

    root: str | os.PathLike[str]
    key: str | os.PathLike[str] | None = None
    most_starts: int = MOST_STARTS

    def __post_init__(self) -> None:
        if type(self.most_starts) is not int or self.most_starts < 1:
            raise UsageError(f"most_starts is {self.most_starts!r}; expected a whole number of at least 1")

    def install(
        self, package: str | os.PathLike[str], *, budget: Budget | None = None, allow_older: bool = False
    ) -> Path:
        """Take a package into the store, try it, and make it the current one, on trial. Returns its path in the store.

        Its signature, hashes, goldens and liveness are verified, and its steps timed, in a process of its own.

        Args:
            package: a `.edge` file.
            budget: the median of its steps must be below the deadline; None to time none.
            allow_older: whether its version may be lower than that of the current one.

        Raises:
            UpdateError: it does not work here, or is older than the current one. The current one stays.
            SignatureError: a key is demanded, and did not sign it.
            FileError: it is damaged, or the store cannot be written.
        """
        data = atomic.read(package)
        demand = trust.demanded(self.key, None)
        read = contents.read(data, os.fspath(package), demand)
        atomic.make_folder(self._root)
        with self._locked(INSTALLING):  # a trial takes a while, in which programs may start
            before = pointers.load(self._root)
            if before is not None and not allow_older:
                self._check_later(before, read.manifest.model_version, os.fspath(package))
            name = f"{_plain(read.manifest.name)}-{_plain(read.manifest.model_version)}-{read.sha256[:12]}{SUFFIX}"
            path = self._root / name
            try:
                atomic.write(path, data)
                check_candidate(path, None if budget is None else budget.deadline_us)
                with self._locked():
                    self._point_to(name)
            finally:
                self._sweep()
        return path

    def start(self) -> Path:
        """Return the package to run now. A program calls it when it starts, which is counted during a trial.

        Raises:
            UpdateError: nothing was installed, or all that was installed failed.
            FileError: the pointer cannot be read or written.
        """
        with self._locked():
            pointer = self._pointer()
            if pointer.trial and pointer.starts >= self.most_starts:
                reason = f"it was started {pointer.starts} times, and never proved good"
                pointer = self._rolled_back(pointer, reason)
            elif pointer.trial:
                pointer = replace(pointer, starts=pointer.starts + 1)
                pointers.save(self._root, pointer)
        return self._root / pointer.current

    def mark_good(self, name: str | None = None) -> None:
        """End the trial of the current model: it stays.

        Args:
            name: the file of a package; nothing is done where another one is current by now. None for any.

        Raises:
            UpdateError: nothing was installed.
            FileError: the pointer cannot be read or written.
        """
        with self._locked():
            pointer = self._pointer()
            if pointer.trial and name in {None, pointer.current}:
                pointers.save(self._root, replace(pointer, trial=False, starts=0, failed=""))

    def roll_back(self, reason: str = "asked for", name: str | None = None) -> Path:
        """Return to the model before the current one, and say why. Returns the path of the one that is then current.

        Args:
            reason: in words.
            name: the file of a package; nothing is done where another one is current by now. None for any.

        Raises:
            UpdateError: nothing was installed, or there is none before it; the current one stays.
            FileError: the pointer cannot be read or written.
        """
        with self._locked():
            pointer = self._pointer()
            if name in {None, pointer.current}:
                pointer = self._rolled_back(pointer, reason)
            return self._root / pointer.current

    @property
    def pointer(self) -> Pointer:
        """What runs, and what ran before.

        Raises:
            UpdateError: nothing was installed.
            FileError: the pointer cannot be read.
        """
        return self._pointer()

    @property
    def path(self) -> Path:
        """The path of the package that runs.

        Raises:
            UpdateError, FileError: as `pointer`.
        """
        return self._root / self._pointer().current

    def open(self, name: str) -> Program:
        """Open a package of the store by its file name, with the key of the store.

        Raises:
            SignatureError, FileError, UnsupportedError: as edgernn.open.
        """
        return opened(self._root / name, key=self.key)

    @property
    def _root(self) -> Path:
        return Path(self.root)

    def _pointer(self) -> Pointer:
        pointer = pointers.load(self._root)
        if pointer is None:
            raise UpdateError(f"no model is installed in '{self.root}'; install one with `edgernn update install`")
        return pointer

    def _rolled_back(self, pointer: Pointer, reason: str) -> Pointer:
        if not pointer.previous:
            raise UpdateError(
                f"'{pointer.current}' failed ({reason}), and no model was installed before it; install another package"
            )
        after = Pointer(pointer.previous, failed=f"{pointer.current}: {reason}")
        pointers.save(self._root, after)
        return after

    def _point_to(self, name: str) -> None:
        """Make a package the current one, on trial; the last good one is before it."""
        before = pointers.load(self._root)
        if before is None or before.current != name:
            good = "" if before is None else before.previous if before.trial else before.current
            pointers.save(self._root, Pointer(name, good, trial=True))

    def _check_later(self, before: Pointer, version: str, name: str) -> None:
        path = self._root / before.current
        current = contents.read(atomic.read(path), os.fspath(path)).manifest.model_version
        if is_version(current) and is_version(version) and parts(version) < parts(current):
            raise UpdateError(
                f"'{name}' has the version {version}, and {current} runs; take a later one, or allow an older one"
            )

    def _sweep(self) -> None:
        """Remove the packages to which the pointer does not point."""
        pointer = pointers.load(self._root)
        held = set() if pointer is None else {pointer.current, pointer.previous}
        for path in self._root.glob(f"*{SUFFIX}"):
            if path.name not in held and pointers.is_name(path.name):
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def _locked(self, lock: str = LOCK) -> Iterator[None]:
        """Let one process at a time change the pointer, or install a package."""
        if not self._root.is_dir():
            raise UpdateError(f"there is no store of models in '{self.root}'; install a package first")
        handle = os.open(self._root / lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            flock(handle, LOCK_EX)
            yield
        finally:
            os.close(handle)


def _plain(text: str) -> str:
    """Return a text as part of a file name."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in ".+") else "_" for letter in text)[:60]
