"""A process that measures: asked over a pipe, in this Python or in another one."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import inf
from typing import Any, Self

import numpy as np

from edgernn import errors
from edgernn.errors import EdgernnError, UsageError
from edgernn.latency.arrivals import Times
from edgernn.process import interrupt
from edgernn.version import VERSION

LINES = 3  # of what a process said before it ended


class Worker:
    """One process of `edgernn.latency.runner`; as a context it ends with it."""

    def __init__(self, python: str | os.PathLike[str] = sys.executable) -> None:
        self.python = os.fspath(python)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with the process
        try:
            self._child = subprocess.Popen(  # noqa: S603
                [self.python, "-P", "-m", "edgernn.latency.runner"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                process_group=0,  # a Ctrl-C meets this process alone, which ends that one
            )
        except OSError as error:
            self._said.close()
            raise UsageError(
                f"'{self.python}' cannot be run: {error.strerror}; give the Python of an environment with edgernn"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()
        self._said.close()

    def open(self, artifact: str, frames: str | None = None, threads: int = 1, seed: int = 0) -> dict[str, Any]:
        """Open an artifact there: what it says of itself, and how long it took.

        Raises:
            EdgernnError: as edgernn.open and the reading of frames.
            UsageError: that Python has no edgernn, or another version of it.
        """
        said, _ = self.ask("open", artifact=artifact, frames=frames, threads=threads, seed=seed)
        if said["edgernn"] != VERSION:
            raise UsageError(
                f"'{self.python}' has edgernn {said['edgernn']}, and this is {VERSION}: install the same in both"
            )
        return said

    def ask(
        self, verb: str, meanwhile: Callable[[], None] | None = None, after_s: float = 0.0, **given: Any
    ) -> tuple[dict[str, Any], dict[str, Times]]:
        """One request and its answer: what it says, and its arrays.

        Args:
            verb: one of edgernn.latency.runner.VERBS.
            meanwhile: called once, unless the answer is there before `after_s` seconds.
            after_s: when.
            given: the verb's arguments.

        Raises:
            EdgernnError: the same as there.
            UsageError: the process has ended.
            Interrupted: a signal has arrived (edgernn.process.interrupt).
        """
        assert self._child.stdout is not None
        self._send(json.dumps({"verb": verb, **given}).encode() + b"\n")
        if meanwhile and not self._answers(after_s):
            meanwhile()
        self._answers(inf)
        line = self._child.stdout.readline()
        if not line:
            raise self._ended()
        try:
            said = json.loads(line)
            shapes = said.pop("arrays")
        except (ValueError, KeyError, AttributeError):
            raise UsageError(f"'{self.python}' answers {line[:60]!r}; is it a Python with edgernn?") from None
        held = {name: self._child.stdout.read(8 * n) for name, n in shapes.items()}
        if any(len(held[name]) < 8 * n for name, n in shapes.items()):
            raise self._ended()
        if "error" in said:
            raise _made(said["error"], said["told"])
        return said, {name: np.frombuffer(data, np.int64) for name, data in held.items()}

    def _answers(self, seconds: float) -> bool:
        """Whether it answers, or ends, within that time."""
        assert self._child.stdout is not None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with interrupt.waiting():
                if select.select([self._child.stdout], [], [], min(left, interrupt.LONGEST_WAIT_S))[0]:
                    return True
        return False

    def _send(self, request: bytes) -> None:
        """Write at once; a process that has ended must not end this one, whose command lets a broken pipe do so."""
        assert self._child.stdin is not None
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
        try:
            os.write(self._child.stdin.fileno(), request)
        except BrokenPipeError:
            signal.sigtimedwait({signal.SIGPIPE}, 0)
            raise self._ended() from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _ended(self) -> UsageError:
        self._child.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        told = " ".join(line.strip() for line in lines[-LINES:])
        if "No module named" in told and "edgernn" in told:
            return UsageError(
                f"'{self.python}' has no edgernn {VERSION}: '{self.python}' -m pip install edgernn=={VERSION}"
            )
        return UsageError(f"'{self.python}' ended with {self._child.returncode} while it measured: {told}")


def _made(kind: str, told: str) -> EdgernnError:
    """The error that was raised there; a package that is missing there is not missing here."""
    found = UsageError if kind == "MissingExtraError" else getattr(errors, kind)
    made: EdgernnError = found(told)
    return made
