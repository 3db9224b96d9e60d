"""The parent's end of a measuring process: requests over a pipe, to this Python or another one."""

import json
import os
import select
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
from edgernn.process import interrupt, pipe
from edgernn.version import VERSION

LINES = 3  # of stderr that are quoted when the process ends unexpectedly


class Worker:
    """A process of `edgernn.latency.runner`; the context manager ends it."""

    def __init__(self, python: str | os.PathLike[str] = sys.executable) -> None:
        self.python = os.fspath(python)
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with the process
        try:
            self._child = subprocess.Popen(  # noqa: S603
                [self.python, "-P", "-m", "edgernn.latency.runner"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                process_group=0,  # a Ctrl-C reaches this process alone, and this process ends the child
            )
        except OSError as error:
            self._stderr.close()
            raise UsageError(
                f"'{self.python}' cannot be run: {error.strerror}; give the Python of an environment with edgernn"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()
        self._stderr.close()

    def open(self, artifact: str, frames: str | None = None, threads: int = 1, seed: int = 0) -> dict[str, Any]:
        """Open an artifact in the process. Returns information on artifact, runtime and machine, and the load time.

        Raises:
            EdgernnError: as edgernn.open and the reading of frames.
            UsageError: that Python has no edgernn, or another version of it.
        """
        info, _ = self.ask("open", artifact=artifact, frames=frames, threads=threads, seed=seed)
        if info["edgernn"] != VERSION:
            raise UsageError(
                f"'{self.python}' has edgernn {info['edgernn']}, and this is {VERSION}: install the same in both"
            )
        return info

    def ask(
        self, request: str, meanwhile: Callable[[], None] | None = None, after_s: float = 0.0, **arguments: Any
    ) -> tuple[dict[str, Any], dict[str, Times]]:
        """Send a request and wait for the reply. Returns its fields and its arrays.

        Args:
            request: one of edgernn.latency.runner.REQUESTS.
            meanwhile: called once after `after_s` seconds, unless the reply has arrived by then.
            after_s: delay of `meanwhile`.
            arguments: of the request.

        Raises:
            EdgernnError: the error that the request raised.
            UsageError: the process has ended.
            Interrupted: a signal has arrived (edgernn.process.interrupt).
        """
        assert self._child.stdout is not None
        self._send(json.dumps({"request": request, **arguments}).encode() + b"\n")
        if meanwhile and not self._wait(after_s):
            meanwhile()
        self._wait(inf)
        line = self._child.stdout.readline()
        if not line:
            raise self._ended()
        try:
            reply = json.loads(line)
            lengths = reply.pop("arrays")
        except (ValueError, KeyError, AttributeError):
            raise UsageError(f"'{self.python}' answers {line[:60]!r}; is it a Python with edgernn?") from None
        buffers = {name: self._child.stdout.read(8 * n) for name, n in lengths.items()}
        if any(len(buffers[name]) < 8 * n for name, n in lengths.items()):
            raise self._ended()
        if "error" in reply:
            raise _error(reply["error"], reply["message"])
        return reply, {name: np.frombuffer(data, np.int64) for name, data in buffers.items()}

    def _wait(self, seconds: float) -> bool:
        """Whether the process replies, or ends, within this time."""
        assert self._child.stdout is not None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with interrupt.waiting():
                if select.select([self._child.stdout], [], [], min(left, interrupt.LONGEST_WAIT_S))[0]:
                    return True
        return False

    def _send(self, request: bytes) -> None:
        assert self._child.stdin is not None
        try:
            pipe.write(self._child.stdin.fileno(), request)
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> UsageError:
        self._child.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()
        message = " ".join(line.strip() for line in lines[-LINES:])
        if "No module named" in message and "edgernn" in message:
            return UsageError(
                f"'{self.python}' has no edgernn {VERSION}: '{self.python}' -m pip install edgernn=={VERSION}"
            )
        return UsageError(f"'{self.python}' ended with {self._child.returncode} during the measurement: {message}")


def _error(kind: str, message: str) -> EdgernnError:
    """The error that the process raised. A package that is missing there is not missing here."""
    error_type = UsageError if kind == "MissingExtraError" else getattr(errors, kind)
    error: EdgernnError = error_type(message)
    return error
